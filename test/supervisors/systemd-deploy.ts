/** Runs beside a systemd of its own: see systemd.test.ts. */
import t from 'tap';
t.pass('soon');
