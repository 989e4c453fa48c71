/** Entry of an agent that is loaded into a process which runs already; observe/attach.ts calls it from inside. */
import { claim } from './claim.cjs';
import { start, type Told } from './start.cjs';

/** False where the process has an agent. */
export function attach(told: Told): boolean {
  if (!claim()) return false;
  start(told);
  return true;
}
