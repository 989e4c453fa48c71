import t from 'tap';
import { holdsTooMuch } from '../src/json-size.js';

t.test('values are counted by what stands before them, outside strings', async (t) => {
  const cases: [json: string, most: number][] = [
    ['[1,2,3,4,5,6,7]', 7],
    ['[{},{},{},{},{}]', 10],
    ['{"a":1,"b":[2,3],"c":{}}', 6],
    ['["a,b,c,d","[[[[[{{{{{"]', 2],
    [String.raw`["a\",\",\"","\\",",,,","\\\",,",1]`, 5],
    ['[[[[[[[[[[', 10],
    [',,,,,,', 6],
    ['"no, end, at, all', 0],
    ['', 0],
  ];
  for (const [json, most] of cases) {
    t.notOk(holdsTooMuch(json, most), `${json} holds no more than ${most}`);
    if (most > 0) t.ok(holdsTooMuch(json, most - 1), `${json} holds more than ${most - 1}`);
  }
});
