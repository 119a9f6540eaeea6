import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as z from 'zod/mini';

const databaseSecret = z.object({ username: z.string(), password: z.string() });

/** User and password out of Secrets Manager. @param arn of a secret in the form that RDS gives them */
export async function readDatabaseSecret(arn: string | undefined): Promise<z.infer<typeof databaseSecret>> {
  const answer = await new SecretsManagerClient({}).send(new GetSecretValueCommand({ SecretId: arn }));
  return databaseSecret.parse(JSON.parse(answer.SecretString ?? '{}'));
}
