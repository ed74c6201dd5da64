import type { Selector, ViewEntry } from '@postern/contracts';

/** A live view of resources, as libs/bus keeps it. */
export interface View {
  /** Settles when the view is complete for the first time. */
  readonly ready: Promise<void>;
  get(kind: string, id: string): ViewEntry | undefined;
  close(): unknown;
}

/** Opens a view as this agent. `onChange` is told of every entry that appears, changes or goes. */
export type OpenView = (options: {
  readonly selector: Selector;
  readonly onChange: (entry: ViewEntry) => void;
}) => View;
