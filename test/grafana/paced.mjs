// Before `cli.js serve`, as --import: the same program, for which six seconds tell a trend in place of twenty minutes.
import { PACE_DEFAULTS } from '../../dist/decide/finding.js';

PACE_DEFAULTS.series = { sliceMs: 500, startupMs: 2000 };
PACE_DEFAULTS.leak = { shortestMs: 6000, dayMs: 86_400_000 };
