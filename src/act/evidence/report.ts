/** What became of the evidence of one restart; part of the incident's outcome. */
export interface EvidenceReport {
  /** Null where none could be made. */
  folder: string | null;
  /** Names of the files in it. */
  files: string[];
  /** What it comes to, in a sentence without an end; null where it names nobody. */
  finding: string | null;
  /** What could not be had, and why: a sentence each. */
  notes: string[];
}
