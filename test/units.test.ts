import t from 'tap';
import { formatBytes } from '../src/units.js';
t.equal(formatBytes(183_400_000), '183 MB');
