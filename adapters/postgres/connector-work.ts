import { connectorAgentId } from '#domain/agent/connector.ts';
import { keyTypeOf } from '#domain/agent/inspection.ts';
import type { AgentKeyAlgorithm } from '#domain/agent/key-algorithm.ts';
import type { ConnectorWork } from '#domain/job/connector-deployment.ts';
import { reportDeployment } from './agent-reports.ts';
import type { Database } from './database.ts';
import { inspections } from './inspections.ts';
import { issuersOf } from './issuer-chain.ts';
import { destroyVerifiedKeys } from './sealed-keys.ts';

const running = `j.id = $1 AND j.lease_token = $2 AND j.status = 'running'`;
const deployment = {
  name: 'connector-deployment',
  text: `SELECT t.id AS target_id, t.type, t.config, t.reference, d.certificate_id, c.certificate, c.chain, ${issuersOf('c')} AS issuers, k.id AS key_id, k.sealed,
      ARRAY(SELECT jsonb_build_object('id', e.id, 'sealed', encode(e.sealed, 'base64'), 'spki', encode(e.spki_sha256, 'hex')) FROM sealed_keys e
            WHERE e.holder_id = k.holder_id AND e.sealed IS NOT NULL AND e.id <> k.id AND e.made_at < k.made_at ORDER BY e.made_at DESC LIMIT 5) AS earlier
    FROM jobs j JOIN deployments d ON d.id = j.subject_id JOIN targets t ON t.id = d.target_id JOIN certificates c ON c.id = d.version_id
      LEFT JOIN sealed_keys k ON k.spki_sha256 = c.spki_sha256
    WHERE ${running}`,
};
const inspection = {
  name: 'connector-inspection',
  text: `SELECT t.id AS target_id, t.type, t.config, t.reference,
      (SELECT o.key_algorithm FROM certificate_targets c JOIN managed_certificates o ON o.id = c.certificate_id AND o.state = 'active'
       WHERE c.target_id = t.id AND c.deployed_id IS NOT NULL ORDER BY c.deployed_at DESC LIMIT 1) AS key_algorithm
    FROM jobs j JOIN targets t ON t.id = j.subject_id WHERE ${running}`,
};
interface TargetRow {
  target_id: string;
  type: string;
  config: Record<string, unknown>;
  reference: string | null;
}

interface DeploymentRow extends TargetRow {
  certificate_id: string;
  certificate: Buffer;
  chain: string | null;
  issuers: Buffer[];
  key_id: string | null;
  sealed: Buffer | null;
  earlier: { id: string; sealed: string; spki: string }[];
}

/** The jobs of targets without a host. @param fraction a random one from 0 to 1, by which retries are spread */
export function connectorWork(database: Database, fraction: () => number): ConnectorWork {
  const ofTargets = inspections(database);
  const targetOf = (row: TargetRow) => ({ id: row.target_id, type: row.type, config: row.config, reference: row.reference ?? undefined });
  return {
    async deployment(job) {
      const [row] = await database.query<DeploymentRow>(deployment, [job.id, job.leaseToken]);
      if (row === undefined) return undefined;
      return {
        target: targetOf(row),
        certificateId: row.certificate_id,
        certificate: row.certificate,
        issuers: row.issuers,
        foreignChain: row.chain ?? undefined,
        key: row.key_id === null || row.sealed === null ? undefined : { id: row.key_id, sealed: row.sealed },
        earlierKeys: row.earlier.map(({ id, sealed, spki }) => ({ id, sealed: Buffer.from(sealed, 'base64'), spkiSha256: spki })),
      };
    },
    async inspection(job) {
      const [row] = await database.query<TargetRow & { key_algorithm: AgentKeyAlgorithm | null }>(inspection, [job.id, job.leaseToken]);
      return row && { target: targetOf(row), keyType: keyTypeOf(row.key_algorithm) };
    },
    reportDeployment: (job, report) =>
      reportDeployment(database, connectorAgentId, job.id, job.leaseToken, report, fraction(), destroyVerifiedKeys),
    reportInspection: (job, report) => ofTargets.report(connectorAgentId, job.id, job.leaseToken, report),
  };
}
