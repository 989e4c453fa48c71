/**
 * `npm run bench`: what heapwarden costs and how fast it is, against its rivals, one bench after the other; each prints
 * its own tables. Exit status: 0 all ended with 0, 1 one did not.
 */
import { spawnSync } from 'node:child_process';
import { run } from './run.js';

/** npm scripts. */
const BENCHES = ['bench:scrape', 'bench:agent', 'bench:warden', 'bench:reaction', 'bench:relay'];

/** One that fails stops none of the others. */
async function main(): Promise<number> {
  const ended = BENCHES.map((name) => {
    console.log(`\n## ${name}\n`);
    return { name, status: spawnSync('npm', ['run', '--silent', name], { stdio: ['ignore', 'inherit', 'inherit'] }).status };
  });
  console.log('');
  for (const { name, status } of ended) console.log(`${name}: ${status === 0 ? 'done' : `ended with ${status}`}`);
  return ended.every(({ status }) => status === 0) ? 0 : 1;
}

await run('bench', main);
