import { allNamed, elementAt, textAt, type XmlElement } from '../xml/read-xml.ts';

/** What EC2 says of an instance. */
export interface InstanceFacts {
  readonly instanceId: string;
  /** The account that it belongs to, twelve digits. */
  readonly account: string;
  /** `pending`, `running`, `shutting-down`, `terminated`, `stopping` or `stopped`. */
  readonly state: string;
}

/** The instances of an answer to DescribeInstances; undefined where it is not one, or one of several pages. */
export function readInstances(answer: XmlElement): readonly InstanceFacts[] | undefined {
  const reservations = elementAt(answer, 'reservationSet');
  if (answer.name !== 'DescribeInstancesResponse' || !reservations || elementAt(answer, 'nextToken'))
    return undefined;
  const found = allNamed(reservations, 'item').flatMap((reservation) => {
    const account = textAt(reservation, 'ownerId');
    const instances = elementAt(reservation, 'instancesSet');
    return instances ? allNamed(instances, 'item').map((item) => readInstance(item, account)) : [undefined];
  });
  return found.every((each) => each !== undefined) ? found : undefined;
}

function readInstance(item: XmlElement, account: string | undefined): InstanceFacts | undefined {
  const [instanceId, state] = [textAt(item, 'instanceId'), textAt(item, 'instanceState', 'name')];
  const isKnown = account !== undefined && /^\d{12}$/.test(account);
  if (!isKnown || instanceId === undefined || state === undefined || !/^[a-z-]{1,20}$/.test(state))
    return undefined;
  return { instanceId, account, state };
}
