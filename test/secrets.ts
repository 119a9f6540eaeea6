/** What private keys and credentials look like, whoever wrote them. */
const shapes: Readonly<Record<string, RegExp>> = {
  'a PEM private key': /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  // The first bytes of PKCS #8 (RFC 5958) in base64: P-256, P-384, P-521, Ed25519, RSA.
  'a private key in base64': /MIG[HT2]AgEA|MIHuAgEA|MC4CAQAwBQYDK2Vw|IBADANBgkqhkiG9w0BAQEFAASC/,
  'a private key in hex': /30(?:2e|81[0-9a-f]{2}|82[0-9a-f]{4})02010030[01][0-9a-f]06/i,
  'a private JWK': /\\*"d\\*"\s*:\s*\\*"[\w-]{40,}/,
  'a signed request of AWS': /X-Amz-(?:Security-Token|Signature)=[^&\s"]{8}/,
  'a bearer token': /Bearer\s+[\w.~+/-]{16,}/i,
};

/** Every way in which bytes are commonly written. */
function formsOf(secret: string | Uint8Array): readonly string[] {
  const bytes = Buffer.from(secret);
  const written = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url'), bytes.toString('hex')];
  if (typeof secret !== 'string') return written;
  // A secret that is itself base64 is also the bytes that it stands for.
  const inner = /^[\w+/=-]{20,}$/.test(secret) ? formsOf(Buffer.from(secret, 'base64')) : [];
  return [secret, encodeURIComponent(secret), ...written, ...inner];
}

/**
 * Looks for secrets in a text: those that are known, in every usual way of writing, and whatever looks like a private key or a credential.
 *
 * @param known by a name that a failed test may print; each at least 12 characters or bytes long
 * @returns names of what was found
 */
export function secretsIn(text: string, known: Readonly<Record<string, string | Uint8Array>>): readonly string[] {
  const short = Object.entries(known).filter(([, secret]) => secret.length < 12);
  if (short.length > 0) throw new Error(`too short to look for: ${short.map(([name]) => name).join(', ')}`);
  return [
    ...Object.entries(known).flatMap(([name, secret]) => (formsOf(secret).some((form) => text.includes(form)) ? [name] : [])),
    ...Object.entries(shapes).flatMap(([name, shape]) => (shape.test(text) ? [name] : [])),
  ];
}
