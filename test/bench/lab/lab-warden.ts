/** The real program, with programs of the lab as its child apps. */
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../integration/wait.js';
import { WardenProcess, appFile, type WardenSetup } from '../../integration/warden-process.js';

/** One app of the lab as the warden's config has it. */
export interface LabApp {
  name: string;
  file: string;
  /** Node's own arguments. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** In YAML's flow style. */
  limits?: string;
  evidence?: string;
  /** How many times faster than time its memory is dated. */
  pace: number;
}

/** How often the warden looks, in milliseconds. */
export const SAMPLE_MS = 500;
/** A dozen programs start with it. */
const READY_MS = 90_000;
const PACE = fileURLToPath(new URL('pace.mjs', import.meta.url));

type Scope = Parameters<typeof WardenProcess.start>[0];

/** `recordTo`: the folder that gets the samples of each process; null: none. */
export async function startLabWarden(
  scope: Scope,
  apps: readonly LabApp[],
  recordTo: string | null,
): Promise<WardenProcess> {
  const pace = JSON.stringify(Object.fromEntries(apps.map(({ name, pace: times }) => [name, times])));
  const setup: WardenSetup = {
    config: `sample_interval: ${SAMPLE_MS}ms\napps:\n${apps.map(yamlOf).join('')}`,
    env: { LAB_PACE: pace, ...(recordTo !== null && { LAB_RECORD: recordTo }) },
    runner: [process.execPath, `--import=${PACE}`],
  };
  const warden = await WardenProcess.start(scope, setup);
  const isReady = () => fetch(`${warden.url}/-/ready`).then(({ ok }) => ok, () => false);
  await waitFor("the lab's warden to be ready", isReady, READY_MS);
  return warden;
}

/**
 * MiB, the default of Node 20 and 22. Node 24 takes four times that: with it, half of what lies below the limits of the lab
 * is young space, and a leak to a limit of 235 MB is known in the last fifth of its life.
 */
const SMALL_YOUNG_SPACE = '--max-semi-space-size=16';

function yamlOf({ name, file, args = [], env = {}, limits = '', evidence = '' }: LabApp): string {
  const command = JSON.stringify([process.execPath, SMALL_YOUNG_SPACE, ...args, appFile(`lab/${file}.cjs`)]);
  return `
  - name: ${name}
    supervisor: { child: { command: ${command}, env: ${JSON.stringify(env)} } }
    limits: { ${limits} }
    evidence: { ${evidence} }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1h }
`;
}
