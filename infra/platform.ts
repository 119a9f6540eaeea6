import { Tags, type App } from 'aws-cdk-lib';
import type { Bundles } from './bundle.ts';
import type { Config } from './config.ts';
import { DataStack } from './stacks/data.ts';
import { EdgeStack } from './stacks/edge.ts';
import { KeysStack } from './stacks/keys.ts';
import { ServicesStack } from './stacks/services.ts';
import { WatchStack } from './stacks/watch.ts';

/** What an account receives: five stacks by lifetime. Data and keys outlive everything else. */
export function addPlatform(
  app: App,
  config: Config,
  bundles: Bundles,
): { data: DataStack; keys: KeysStack; edge: EdgeStack; services: ServicesStack; watch: WatchStack } {
  const data = new DataStack(app, 'CertctlData', { config });
  const keys = new KeysStack(app, 'CertctlKeys', { config });
  const edge = new EdgeStack(app, 'CertctlEdge', { config, data });
  const services = new ServicesStack(app, 'CertctlServices', { config, bundles, data, keys, edge });
  const watch = new WatchStack(app, 'CertctlWatch', { config, services, edge });
  const tags = { application: 'certctl', ...config.tags };
  for (const [key, value] of Object.entries(tags)) Tags.of(app).add(key, value);
  return { data, keys, edge, services, watch };
}
