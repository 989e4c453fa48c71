import type { Finding, Fix, Verdict } from './finding.js';
import { assignmentIn, type Service, type UnitFiles } from './service.js';

export interface ServiceFacts extends Service {
  /** The configured apps whose processes are in it, or are to be; none of them is the service itself. */
  apps: readonly string[];
  /** null where no unit file of that name was found. */
  unit: UnitFiles | null;
  /** systemd reads the kernel's count of such kills from version 2 of the control groups alone. */
  cgroupVersion: 1 | 2;
}

/**
 * systemd stops a whole service when the kernel kills one process of it for memory, unless told otherwise:
 * `OOMPolicy=`, systemd.service(5). Under PM2 that is every app.
 */
export function judgeOomPolicy(services: readonly ServiceFacts[]): Verdict {
  const verdict: Verdict = { findings: [], notChecked: [] };
  for (const service of services) {
    if (service.cgroupVersion === 1) continue; // systemd never hears of it
    if (service.unit === null) verdict.notChecked.push(`OOMPolicy of ${service.name}: its unit file was not found`);
    else verdict.findings.push(...findingsOf(service, service.unit));
  }
  return verdict;
}

function findingsOf({ name, apps, isUser }: ServiceFacts, unit: UnitFiles): Finding[] {
  const own = assignmentIn(unit.files, 'Service', 'OOMPolicy');
  const common = unit.manager && assignmentIn([unit.manager], 'Manager', 'DefaultOOMPolicy');
  const policy = (own ?? common)?.value ?? 'stop'; // systemd-system.conf(5)
  if (policy === 'continue') return [];
  const names = apps.map((app) => JSON.stringify(app)).join(', ');
  const all = `${apps.length === 1 ? 'app' : 'the apps'} ${names} and whatever else runs in it`;
  const why = own ? `OOMPolicy=${policy} in ${own.path}` : `OOMPolicy is unset, which means ${policy}`;
  const harm = 'when the kernel kills one process of it for memory, systemd ends all of it';
  const message = `${name}: ${why}: ${harm} (${all})`;
  const fix: Fix = own ? { file: own.path, line: own.line, text: 'OOMPolicy=continue' } : newLine(name, isUser, unit);
  return [{ code: 'oom_policy', severity: own ? 'warning' : 'problem', app: null, message, fix }];
}

/** A package's own unit file is replaced with the package: there it takes a drop-in. */
function newLine(name: string, isUser: boolean, { files: [main] }: UnitFiles): Fix {
  const after = `then: systemctl ${isUser ? '--user ' : ''}daemon-reload`;
  const line = main?.text.split('\n').findIndex((text) => text.trim() === '[Service]') ?? -1;
  if (main && line >= 0 && !/\/lib\/systemd\//.test(main.path)) {
    return { file: main.path, line: line + 2, text: `OOMPolicy=continue   (a new line below [Service]; ${after})` };
  }
  const file = `/etc/systemd/${isUser ? 'user' : 'system'}/${name}.d/oom-policy.conf`;
  return { file, line: null, text: `[Service]\nOOMPolicy=continue   (a new file; ${after})` };
}
