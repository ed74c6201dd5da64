export { type DiagServer, diagServer, type DiagServerOptions } from './diag-server.ts';
export {
  BodyTooLarge,
  Forbidden,
  InvalidRequest,
  MethodNotAllowed,
  NoSuchOperation,
  Unauthenticated,
  UnsupportedMediaType,
} from './failures.ts';
export { type HttpServer, httpServer, type HttpServerOptions } from './http-server.ts';
export { defaultLimits, type HttpLimits } from './limits.ts';
export { CannotListen, type ListenAddress } from './listen.ts';
export { type Problem, problemMediaType, problemOf } from './problem.ts';
export { LatestReadiness, Readiness, type ReadinessState } from './readiness.ts';
export {
  type Allow,
  type AllowContext,
  allowIf,
  type AllowRule,
  Answer,
  type Call,
  describeRoutes,
  type HttpMethod,
  type RequestInfo,
  type Route,
  route,
  type RouteDeclaration,
  type RouteDescription,
} from './route.ts';
export { type RequestHead, type TurnAway } from './turn-away.ts';
