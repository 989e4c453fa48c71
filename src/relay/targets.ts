/** Pure: the list of wardens, as Prometheus's file_sd and http_sd have it. */
import { parse } from 'yaml';
import { isGroup } from '../config/merge.js';

export interface Target {
  /** As in the alerts' `instance` label. */
  instance: string;
  /** Scheme, host and port. */
  origin: string;
  /** With `instance`. */
  labels: Readonly<Record<string, string>>;
}

/** By instance. */
export type Targets = ReadonlyMap<string, Target>;

/**
 * The targets in a list of groups, JSON or YAML. `instance` is the target's label of that name, or else its address,
 * as in Prometheus without relabelling. Formats:
 * https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config and
 * https://prometheus.io/docs/prometheus/latest/http_sd/. Throws an Error that says what is wrong.
 */
export function parseTargets(text: string, scheme: 'http' | 'https'): Target[] {
  const groups: unknown = parse(text);
  if (!Array.isArray(groups)) throw new Error('it is not a list of groups such as [{"targets": ["host:9973"], "labels": {}}]');
  return groups.flatMap((group: unknown, i) => {
    if (!isGroup(group)) throw new Error(`group ${i + 1} is not one such as {"targets": ["host:9973"], "labels": {}}`);
    const { targets, labels = {} } = group;
    if (!Array.isArray(targets) || !targets.every((target) => typeof target === 'string')) {
      throw new Error(`group ${i + 1} has no "targets" that are a list of "host:port"`);
    }
    if (!isTexts(labels)) throw new Error(`the labels of group ${i + 1} are not all texts`);
    return targets.map((address) => targetOf(address, labels, scheme));
  });
}

/** By instance; the first of two that have the same, which `clashes` names. */
export function byInstance(all: readonly Target[]): { targets: Targets; clashes: string[] } {
  const targets = new Map<string, Target>();
  const clashes = new Set<string>();
  for (const target of all) {
    const known = targets.get(target.instance);
    if (!known) targets.set(target.instance, target);
    else if (known.origin !== target.origin) clashes.add(target.instance);
  }
  return { targets, clashes: [...clashes] };
}

function targetOf(address: string, labels: Record<string, string>, byDefault: 'http' | 'https'): Target {
  const scheme = labels['__scheme__'] ?? byDefault;
  const origin = `${scheme}://${address}`;
  const url = /^https?$/.test(scheme) && URL.canParse(origin) ? new URL(origin) : null;
  // Nothing but a host and a port: a path or a user would send the token somewhere else.
  if (!url || url.pathname !== '/' || /[@?#/\\\s]/.test(address)) throw new Error(`"${address}" is not a target such as host:9973`);
  const instance = labels['instance'] ?? address;
  return { instance, origin: url.origin, labels: { ...labels, instance } };
}

function isTexts(labels: unknown): labels is Record<string, string> {
  return isGroup(labels) && Object.values(labels).every((value) => typeof value === 'string');
}
