import { CaError } from '../error.ts';
import type { AccountRequest } from './authenticate.ts';
import { readPayload } from './jws.ts';
import type { AcmePorts } from './ports.ts';

/**
 * Ends an order that renews its certificate by itself (RFC 8739 §3.1.2).
 *
 * @throws {CaError} `malformed` for another status than `canceled`, or an order that renews nothing; `notFound`; `autoRenewalCancellationInvalid` when the
 *   order is not valid
 */
export async function cancelOrder(ports: AcmePorts, request: AccountRequest, orderId: string): Promise<void> {
  if (readPayload(request.payload)['status'] !== 'canceled')
    throw new CaError(
      'malformed',
      'the only status that a client may set is canceled; an order is read with an empty payload (POST-as-GET)',
    );
  const order = await ports.orders.order(request.who, orderId);
  if (order === undefined) throw new CaError('notFound', 'no such order');
  if (order.autoRenewal === undefined) throw new CaError('malformed', 'the order renews nothing that could be canceled');
  if (!(await ports.stars.cancel(request.who, orderId)))
    throw new CaError('autoRenewalCancellationInvalid', `an order that is ${order.status} cannot be canceled`);
}
