/** Hears, line by line, what a long step is doing. */
export type Progress = (line: string) => void;
