import * as z from 'zod';
import { collection } from './collection.ts';

export const teamId = z.string().regex(/^t-[0-9a-z-]{1,60}$/, 'the id of a team');
export const ownerId = z.string().regex(/^o-[0-9a-z-]{1,60}$/, 'the id of an owner');
const name = z.string().min(1).max(128);
const stamps = { version: z.number().int(), created_at: z.string(), updated_at: z.string() };

export const team = z.strictObject({ id: teamId, name: z.string(), description: z.string(), ...stamps });

export const {
  list: listTeams,
  get: getTeam,
  create: createTeam,
  replace: replaceTeam,
  remove: deleteTeam,
} = collection({
  singular: 'Team',
  plural: 'Teams',
  noun: 'teams',
  path: '/api/v1/teams',
  one: 'a team',
  many: 'teams',
  id: teamId,
  fields: { name: name.describe('What it is called'), description: z.string().max(1000).default('').describe('What it is for') },
  item: team,
  filters: {},
  sorts: ['name', 'created_at'],
  permissions: { read: 'team.read', edit: 'team.edit', remove: 'team.delete' },
  hints: { remove: 'refused while it has owners or certificates' },
});

export const owner = z.strictObject({ id: ownerId, name: z.string(), email: z.string(), team: teamId.nullable(), ...stamps });

export const {
  list: listOwners,
  get: getOwner,
  create: createOwner,
  replace: replaceOwner,
  remove: deleteOwner,
} = collection({
  singular: 'Owner',
  plural: 'Owners',
  noun: 'owners',
  path: '/api/v1/owners',
  one: 'an owner',
  many: 'owners',
  id: ownerId,
  fields: {
    name: name.describe('What it is called'),
    email: z.email().max(254).describe('Where they are reached'),
    team: teamId.nullable().default(null).describe('Id of the team that they belong to'),
  },
  item: owner,
  filters: { team: teamId.optional().describe('Id of the team that they belong to') },
  sorts: ['name', 'created_at'],
  permissions: { read: 'owner.read', edit: 'owner.edit', remove: 'owner.delete' },
  hints: { remove: 'refused while certificates or keys are theirs' },
});
