/** A delegated responder at rest; its key is sealed under its own id. */
export interface StoredResponder {
  readonly id: string;
  readonly caId: string;
  readonly serial: string;
  /** DER */
  readonly certificate: Uint8Array;
  readonly sealedKey: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly rotatedFrom: string | undefined;
}

export interface ResponderStore {
  authorityExists(caId: string): Promise<boolean>;
  /**
   * The newest responder that lives beyond `usableUntil`, or a new one: made once, however many ask at the same moment.
   *
   * @param make called with the id of the one that it replaces
   */
  ensure(caId: string, usableUntil: Date, make: (previous: string | undefined) => Promise<StoredResponder>): Promise<StoredResponder>;
}
