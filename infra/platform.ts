import type { App } from 'aws-cdk-lib';
import type { Bundles } from './bundle.ts';
import type { Config } from './config.ts';
import { DataStack } from './stacks/data.ts';
import { EdgeStack } from './stacks/edge.ts';
import { KeysStack } from './stacks/keys.ts';
import { ServicesStack } from './stacks/services.ts';

/** What an account receives: four stacks by lifetime. Data and keys outlive everything else. */
export function addPlatform(
  app: App,
  config: Config,
  bundles: Bundles,
): { data: DataStack; keys: KeysStack; edge: EdgeStack; services: ServicesStack } {
  const data = new DataStack(app, 'CertctlData', { config });
  const keys = new KeysStack(app, 'CertctlKeys', {});
  const edge = new EdgeStack(app, 'CertctlEdge', { config });
  const services = new ServicesStack(app, 'CertctlServices', { config, bundles, data, keys, edge });
  return { data, keys, edge, services };
}
