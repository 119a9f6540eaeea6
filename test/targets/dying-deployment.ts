// Deploys as an order file says and kills this very process at the step that it names.
import { readFileSync } from 'node:fs';
import { deploy } from '#connectors/targets/deploy.ts';
import type { DeployRequest, HostRules } from '#connectors/targets/target.ts';
import type { Death } from './interrupted.ts';

const { request, rules, death } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as {
  readonly request: DeployRequest;
  readonly rules: HostRules;
  readonly death: Death;
};
await deploy(request, {
  ...rules,
  secret: async () => undefined,
  onStep: (step, index) => {
    if (step === death.step && index === death.index) process.kill(process.pid, 'SIGKILL');
  },
});
