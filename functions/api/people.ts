import {
  createOwner,
  createTeam,
  deleteOwner,
  deleteTeam,
  getOwner,
  getTeam,
  listOwners,
  listTeams,
  replaceOwner,
  replaceTeam,
} from '#contract/people.ts';
import type { Records } from '#adapters/postgres/records.ts';
import { collectionOperations } from './collection.ts';
import type { Served } from './router.ts';

export interface PeoplePorts {
  readonly teams: Records;
  readonly owners: Records;
  readonly newId: (prefix: string) => string;
}

/** The operations of `contract/people.ts`. */
export function peopleOperations(ports: PeoplePorts): readonly Served[] {
  return [
    ...collectionOperations(
      { list: listTeams, get: getTeam, create: createTeam, replace: replaceTeam, remove: deleteTeam },
      { store: ports.teams, kind: 'team', newId: () => ports.newId('t') },
    ),
    ...collectionOperations(
      { list: listOwners, get: getOwner, create: createOwner, replace: replaceOwner, remove: deleteOwner },
      { store: ports.owners, kind: 'owner', newId: () => ports.newId('o'), conditions: ({ team }) => [['r.team_id = ?', team]] },
    ),
  ];
}
