import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { TargetFailure } from '../failure.ts';
import type { Role } from './session.ts';

// The least that STS gives; a deployment takes less, and the client asks anew.
const sessionSeconds = 900;

/**
 * Credentials of a role, from STS of the region: the global endpoint is one region's, and gives sessions that not every region takes.
 *
 * @throws {TargetFailure} `connector` by what it returns, when STS refuses or does not answer
 * @see {@link https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html} AssumeRole
 */
export function assumedRole(region: string, { arn, externalId, sessionName }: Role): ReturnType<typeof fromTemporaryCredentials> {
  const provide = fromTemporaryCredentials({
    params: {
      RoleArn: arn,
      RoleSessionName: sessionName,
      DurationSeconds: sessionSeconds,
      ...(externalId !== undefined && { ExternalId: externalId }),
    },
    clientConfig: { region, maxAttempts: 3 },
  });
  return async (properties) => {
    try {
      return await provide(properties);
    } catch (error) {
      throw refusal(error, arn);
    }
  };
}

/** STS's own words are left out: they name who asked. */
function refusal(error: unknown, arn: string): TargetFailure {
  const { name = '', $metadata } = error as { readonly name?: string; readonly $metadata?: { readonly httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode ?? 0;
  const failed = (why: string): TargetFailure => new TargetFailure('connector', why, { cause: error });
  if (name === 'CredentialsProviderError') return failed('there are no AWS credentials');
  if (status >= 400 && status < 500 && status !== 429 && !name.startsWith('Throttling'))
    return failed(`not allowed to assume ${arn} (${name}): by its trust, its external id, or the policies of who asks`);
  return failed(`assuming ${arn}: ${status === 0 ? 'STS does not answer' : `STS is busy or has a fault (${status})`}`);
}
