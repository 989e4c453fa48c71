// The browser gets uPlot's own module under this name (web/assets.ts).
export { default } from 'uplot';
