/** Linux: whose a port of this machine is, by proc(5). */
import { lookup } from 'node:dns/promises';
import { stat } from 'node:fs/promises';
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { listeningBeside, reachedAt } from '../observe/listening.js';

const OTHERS_READ = 0o044;
const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

/**
 * Uid of who listens there on this machine and is neither root, nor this user, nor the owner of a file that is nobody
 * else's to read: whoever holds a warden's port while it is down would be sent its token. Null where there is none;
 * where others may read the file by right; of another machine; of TLS, whose certificate says who answers; and on
 * other systems, which do not tell. Throws Node's errors for the file.
 */
export async function strangerAt(url: string, file: string): Promise<number | null> {
  const { protocol, hostname, port } = new URL(url);
  if (process.platform !== 'linux' || protocol !== 'http:') return null;
  const { uid: owner, mode } = await stat(file);
  if (mode & OTHERS_READ) return null;
  const reached = await ownAddresses(hostname);
  if (reached.rules.length === 0) return null;
  const known = [0, process.geteuid!(), owner];
  const stranger = (await listeningBeside(process.pid)).find(
    (at) => at.port === Number(port || 80) && reached.check(at.address, familyOf(at.address)) && !known.includes(at.uid),
  );
  return stranger?.uid ?? null;
}

/** Those of this machine that a host stands for, with the unspecified ones; none where it is another machine's. */
async function ownAddresses(hostname: string): Promise<BlockList> {
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8);
  for (const address of ['0.0.0.0', '::', '::1']) own.addAddress(address, familyOf(address));
  for (const { address } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) own.addAddress(address, familyOf(address));
  // Nobody is reached where there is none: the request says so.
  const named = await lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }).catch(() => []);
  const reached = new BlockList();
  for (const { address } of named.filter(({ address }) => own.check(address, familyOf(address)))) {
    for (const one of [reachedAt(address), '0.0.0.0', '::']) reached.addAddress(one, familyOf(one));
  }
  return reached;
}
