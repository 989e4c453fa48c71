/**
 * What Grafana makes of a query before it sends it. Sources: interpolateQueryExpr, prometheusSpecialRegexEscape and
 * getRateIntervalScopedVariable in packages/grafana-prometheus/src/datasource.ts of github.com/grafana/grafana.
 */

/** By variable: the values that are chosen, or `all` with the value that stands for them. */
export type Chosen = Readonly<Record<string, readonly string[] | { all: string }>>;

export interface Intervals {
  /** Seconds between two points. */
  step: number;
  /** Seconds between two scrapes, as the data source has them (jsonData.timeInterval). */
  scrape: number;
}

/** Of a string that is within double quotes. */
const escaped = (value: string): string => value.replaceAll(/[\\^$*+?.()|[\]{}]/g, '\\\\$&');

function valueOf(chosen: Chosen[string]): string {
  if ('all' in chosen) return chosen.all;
  const values = chosen.map(escaped);
  return values.length === 1 ? values[0]! : `(${values.join('|')})`;
}

/** Throws an Error that names a variable which is not chosen. */
export function interpolated(query: string, chosen: Chosen, { step, scrape }: Intervals): string {
  const own: Record<string, string> = {
    __interval: `${step}s`,
    __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
  };
  return query.replaceAll(/\$\{?(\w+)\}?/g, (_, name: string) => {
    const value = chosen[name];
    const text = value === undefined ? own[name] : valueOf(value);
    if (text === undefined) throw new Error(`"${query}" names $${name}, which nobody knows`);
    return text;
  });
}
