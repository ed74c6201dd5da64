/** Which service answers which path below `/v1/`; the edge forwards by this table and refuses everything else. */
export const apiFront = [
  { prefix: '/v1/join', service: 'join-svc', authenticated: false },
  { prefix: '/v1/trust', service: 'join-svc', authenticated: false },
  { prefix: '/v1/renew', service: 'join-svc', authenticated: true },
  { prefix: '/v1/auth/sign', service: 'join-svc', authenticated: true },
  { prefix: '/v1/auth/rotation', service: 'join-svc', authenticated: true },
  { prefix: '/v1/certificates', service: 'join-svc', authenticated: true },
  { prefix: '/v1/status', service: 'join-svc', authenticated: true },
  { prefix: '/v1/me', service: 'join-svc', authenticated: true },
  { prefix: '/v1/agents', service: 'join-svc', authenticated: true },
  { prefix: '/v1/static_tokens', service: 'join-svc', authenticated: true },
  { prefix: '/v1/resources', service: 'resource-svc', authenticated: true },
  { prefix: '/v1/history', service: 'resource-svc', authenticated: true },
  { prefix: '/v1/inventory', service: 'inventory-svc', authenticated: true },
  { prefix: '/v1/audit', service: 'inventory-svc', authenticated: true },
  { prefix: '/v1/recordings', service: 'inventory-svc', authenticated: true },
  { prefix: '/v1/events/join', service: 'join-svc', authenticated: true },
  { prefix: '/v1/events/resource', service: 'resource-svc', authenticated: true },
  { prefix: '/v1/events/inventory', service: 'inventory-svc', authenticated: true },
] as const satisfies readonly ApiRoute[];

/** A service the edge forwards API calls to. */
export type ApiService = 'join-svc' | 'resource-svc' | 'inventory-svc';

interface ApiRoute {
  readonly prefix: string;
  readonly service: ApiService;
  readonly authenticated: boolean;
}
