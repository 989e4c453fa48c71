/** Certificates by the openssl command, as a person makes them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  cert: string;
  key: string;
  certFile: string;
  keyFile: string;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

function make(folder: string, name: string, args: string[]): Pair {
  const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  execFileSync('openssl', ['req', '-x509', ...EC, '-keyout', keyFile, '-out', certFile, '-subj', `/CN=${name}`, ...args], { stdio: 'pipe' });
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
}

export const authority = (folder: string, name = 'authority'): Pair => make(folder, name, []);

/** Signed by `by`, for `names` such as `IP:127.0.0.1,DNS:localhost`. */
export function leaf(folder: string, name: string, by: Pair, names: string): Pair {
  const signed = ['-CA', by.certFile, '-CAkey', by.keyFile];
  return make(folder, name, [...signed, '-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE']);
}

/** Signed by itself. */
export const selfSigned = (folder: string, name: string, names: string): Pair =>
  make(folder, name, ['-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=critical,CA:FALSE']);
