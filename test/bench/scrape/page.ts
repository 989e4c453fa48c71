/** Pure: what is on a page of metrics, in the text format. */

export interface PageFacts {
  bytes: number;
  series: number;
  /** Of one watched process: those that name it, and of these the distinct metric names. */
  ofOne: { series: number; names: string[] };
}

/** `marks`: what the labels of one watched process hold, such as `worker="0"`. */
export function pageFacts(text: string, mark: string): PageFacts {
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const own = series.filter((line) => line.includes(mark));
  const names = [...new Set(own.map((line) => line.slice(0, line.search(/[{ ]/))))].toSorted();
  return { bytes: Buffer.byteLength(text), series: series.length, ofOne: { series: own.length, names } };
}
