import { type EventOf, type Selector, ViewClosed, ViewOpened, ViewRekeyed } from '@postern/contracts';
import { assertNever } from '@postern/core';

export type ViewState = { readonly state: 'closed' } | { readonly state: 'open' };

export type ViewCommand =
  | { readonly type: 'OpenView'; readonly hash: string; readonly selector: Selector }
  | { readonly type: 'CloseView'; readonly hash: string }
  | {
      readonly type: 'RekeyView';
      readonly hash: string;
      readonly epoch: number;
      readonly left: readonly string[];
    };

export type ViewEvent = EventOf<typeof ViewOpened> | EventOf<typeof ViewClosed> | EventOf<typeof ViewRekeyed>;

export const initialView: ViewState = { state: 'closed' };

export function decideView(command: ViewCommand, { state }: ViewState): ViewEvent[] {
  switch (command.type) {
    case 'OpenView':
      return state === 'open' ? [] : [ViewOpened({ hash: command.hash, selector: command.selector })];
    case 'CloseView':
      return state === 'closed' ? [] : [ViewClosed({ hash: command.hash })];
    case 'RekeyView': {
      const { hash, epoch, left } = command;
      return state === 'closed' ? [] : [ViewRekeyed({ hash, epoch, left: [...left] })];
    }
    default:
      return assertNever(command);
  }
}

export function evolveView(state: ViewState, event: ViewEvent): ViewState {
  switch (event.type) {
    case 'ViewOpened':
      return { state: 'open' };
    case 'ViewClosed':
      return { state: 'closed' };
    case 'ViewRekeyed':
      return state;
    default:
      return assertNever(event);
  }
}
