import type { FastifyPluginAsync } from 'fastify';

/** One alert that has not been delivered; names and units as in the metrics. */
export interface DeliveryStatus {
  instance: string;
  fingerprint: string;
  status: string;
  labels: Readonly<Record<string, string>>;
  since_seconds: number;
  attempts: number;
  /** By the brake. */
  held: boolean;
  /** Why it has not been delivered, in words. */
  problem: string | null;
}

/** What waits, and for what. */
export function deliveriesRoute(relay: { deliveries(): DeliveryStatus[] }): FastifyPluginAsync {
  return async (server) => {
    server.get('/api/v1/deliveries', async () => ({ deliveries: relay.deliveries() }));
  };
}
