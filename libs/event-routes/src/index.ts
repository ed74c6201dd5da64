export { type EventDesk, openEventDesk } from './event-desk.ts';
export { eventRoutes, type EventRoutesOptions } from './event-routes.ts';
