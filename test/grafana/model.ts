/** The dashboards as Grafana reads them: the files, with as much of the model as the tests look at. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DASHBOARDS } from '../../grafana/build/dashboards.js';

export interface Target {
  refId: string;
  expr: string;
  datasource: unknown;
  instant: boolean;
  range: boolean;
  format: string;
  legendFormat: string;
}

export interface Override {
  matcher: { id: string; options: string };
  properties: { id: string; value: unknown }[];
}

export interface PanelModel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: unknown;
  interval?: string;
  fieldConfig?: {
    defaults: { unit?: string; min?: number; noValue?: string; links?: { url: string }[] };
    overrides: Override[];
  };
  targets?: Target[];
  transformations?: { id: string; options: { indexByName?: Record<string, number> } }[];
  gridPos: { x: number; y: number; w: number; h: number };
}

export interface VariableModel {
  name: string;
  label: string;
  type: string;
  datasource?: unknown;
  query: string | { query: string };
  multi: boolean;
  includeAll: boolean;
  allValue?: string;
  refresh: number;
}

export interface AnnotationModel {
  name: string;
  datasource: unknown;
  expr: string;
  titleFormat: string;
  textFormat: string;
  useValueForTime: boolean;
}

export interface DashboardModel {
  uid: string;
  title: string;
  description: string;
  editable: boolean;
  schemaVersion: number;
  panels: PanelModel[];
  templating: { list: VariableModel[] };
  annotations: { list: AnnotationModel[] };
  links: { title: string; url: string }[];
}

export const FILES = Object.keys(DASHBOARDS);
export const textOfFile = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../grafana/${file}`, import.meta.url)), 'utf8');
export const modelOf = (file: string): DashboardModel => JSON.parse(textOfFile(file)) as DashboardModel;

export const targetsOf = ({ panels }: DashboardModel): { panel: PanelModel; target: Target }[] =>
  panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ panel, target })));
/** Its query as text; of a data source, the type. */
export const queryOf = ({ query }: VariableModel): string => (typeof query === 'string' ? query : query.query);
