/**
 * A statement that ends the renewals of orders: no certificate is issued for them any more, and their last one is not given out (RFC 8739 §3.1.2).
 *
 * @param which SQL condition on acme_orders
 */
export function cancelingFrom(which: string): string {
  return `UPDATE acme_orders SET status = 'canceled', expires_at = least(expires_at, now()), updated_at = now()
          WHERE ${which} AND status = 'valid' AND auto_renewal IS NOT NULL RETURNING id`;
}
