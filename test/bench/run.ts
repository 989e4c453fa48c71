import { messageOf } from '../../src/errors.js';

/** Runs a bench's program to its exit status, which is 1 where it throws; `name`: of its npm script. */
export async function run(name: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(`${name}: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
