export { joinConfig, type JoinConfig } from './config.ts';
export { type JoinStore, openJoinStore } from './database.ts';
export { type OperatorFile, sealOperatorFile } from './bus/operator-file.ts';
export { type OwnAccess, ownAccess } from './bus/own-access.ts';
export { routes } from './routes.ts';
export { joinService, type JoinService, type JoinServiceConfig, type JoinServiceDeps } from './service.ts';
export { type RunningJoinSvc, startJoinSvc } from './start.ts';
