import type { AppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { InFlight } from '../agent/serve.ts';
import type { OpenRequest } from '../streams/open-requests.ts';

/** A request in the registry of open ones, from before it starts until it has ended. */
export class TrackedRequest implements OpenRequest {
  readonly principal: Principal;
  readonly cluster: string;
  readonly attributes: OpenRequest['attributes'];
  readonly asked: OpenRequest['asked'];
  readonly decision: OpenRequest['decision'];
  #flight: InFlight | undefined;
  #cutBy: AppError | undefined;

  constructor({ principal, cluster, attributes, asked, decision }: Omit<OpenRequest, 'cut'>) {
    this.principal = principal;
    this.cluster = cluster;
    this.attributes = attributes;
    this.asked = asked;
    this.decision = decision;
  }

  began(flight: InFlight): void {
    this.#flight = flight;
    if (this.#cutBy) flight.cut(this.#cutBy);
  }

  cut(error: AppError): void {
    this.#cutBy = error;
    this.#flight?.cut(error);
  }
}
