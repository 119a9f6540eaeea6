/** An AWS identity: a role, whoever has assumed it, or a user. */
export interface IamPrincipal {
  /**
   * `arn:aws:iam::<account>:role/<name>` or `…:user/<name>`, without its path: a name is unique in its account, and who has assumed a role does
   * not show the path.
   */
  readonly arn: string;
  /** `IAM:<account>:<role>` or `IAM:<account>:user/<name>`: who acted, in the audit trail. No role's name has a slash. */
  readonly actor: string;
  /** How the one who assumed the role called the session. */
  readonly session: string | undefined;
}

const name = '[A-Za-z0-9_+=,.@-]{1,64}';
const account = 'arn:(aws(?:-[a-z]{1,12}){0,3}):(?:iam|sts)::([0-9]{12}):';
const assumed = new RegExp(`^${account}assumed-role/(${name})/([A-Za-z0-9_+=,.@-]{2,64})$`);
const lasting = new RegExp(`^${account}(role|user)/(?:[!-.0-~]{1,512}/){0,64}(${name})$`);
const longest = 700;

/**
 * The identity of a caller, by the ARN that an IAM authorizer gives. Federated users and the root of an account are nobody's.
 *
 * @returns undefined for what is no session of a role and no user
 * @see {@link https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html} IAM identifiers
 */
export function callingPrincipal(arn: unknown): IamPrincipal | undefined {
  if (typeof arn !== 'string' || arn.length > longest) return undefined;
  const [, partition, owner, role, session] = assumed.exec(arn) ?? [];
  if (partition !== undefined && owner !== undefined && role !== undefined && arn.includes(':sts:'))
    return { ...principal(partition, owner, 'role', role), session };
  const found = namedPrincipal(arn);
  return found?.arn.includes(':user/') === true ? found : undefined;
}

/**
 * The identity that somebody names, by the ARN of a role or a user in IAM; a path is dropped.
 *
 * @returns undefined for any other ARN
 */
export function namedPrincipal(arn: string): IamPrincipal | undefined {
  if (arn.length > longest) return undefined;
  const [, partition, owner, kind, called] = lasting.exec(arn) ?? [];
  if (partition === undefined || owner === undefined || called === undefined || !arn.includes(':iam:')) return undefined;
  return { ...principal(partition, owner, kind === 'user' ? 'user' : 'role', called), session: undefined };
}

function principal(partition: string, owner: string, kind: 'role' | 'user', called: string): Omit<IamPrincipal, 'session'> {
  return {
    arn: `arn:${partition}:iam::${owner}:${kind}/${called}`,
    actor: `IAM:${owner}:${kind === 'user' ? 'user/' : ''}${called}`,
  };
}
