import t from 'tap';
import { isDue } from '../../src/decide/schedule.js';

const at = (time: string): number => new Date(`2026-03-10T${time}`).getTime(); // local time, as cron has it

t.test('due once between two looks', async (t) => {
  t.equal(isDue('0 6 * * *', at('05:59:50'), at('05:59:59.999')), false);
  t.equal(isDue('0 6 * * *', at('05:59:59.999'), at('06:00:00')), true, 'at the very moment');
  t.equal(isDue('0 6 * * *', at('06:00:00'), at('06:00:05')), false, 'not a second time');
  t.equal(isDue('0 6 * * *', at('05:00:00'), at('09:00:00')), true, 'late, where the look was late');
});

t.test('a clock that was set back makes nothing due', async (t) => {
  t.equal(isDue('0 6 * * *', at('06:30:00'), at('05:30:00')), false);
});
