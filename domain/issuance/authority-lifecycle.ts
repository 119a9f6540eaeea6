import { CaError } from '../error.ts';

/** `created` waits for a certificate that somebody else signs. */
export type AuthorityState = 'created' | 'active' | 'retiring' | 'retired' | 'revoked';
export type AuthorityEvent = 'certify' | 'retire' | 'confirm' | 'reactivate' | 'revoke';

const transitions: Readonly<Record<AuthorityState, Readonly<Partial<Record<AuthorityEvent, AuthorityState>>>>> = {
  created: { certify: 'active' },
  active: { retire: 'retiring', revoke: 'revoked' },
  retiring: { confirm: 'retired', reactivate: 'active', revoke: 'revoked' },
  retired: { revoke: 'revoked' },
  revoked: {},
};

/** What a CA becomes. @throws {CaError} `conflict` when the event means nothing in its state */
export function nextState(state: AuthorityState, event: AuthorityEvent): AuthorityState {
  const next = transitions[state][event];
  if (next === undefined) throw new CaError('conflict', `a CA that is ${state} cannot ${event}`);
  return next;
}

/**
 * The step that a call to retire means: the first makes an active CA drain, the second with `confirm` ends one that drains.
 *
 * @throws {CaError} `conflict`
 */
export function retireEvent(state: AuthorityState, confirm: boolean): 'retire' | 'confirm' {
  if (state === 'active') return 'retire';
  if (state === 'retiring' && !confirm) throw new CaError('conflict', 'the CA is retiring already; confirm to end it');
  return 'confirm';
}
