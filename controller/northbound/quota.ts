// How many objects of a kind a project may have. The count is decided under the project's quota guard.
import type { Reader } from './cache.ts'
import { conflict } from './errors.ts'
import { singularOf, type ResourceKind } from './model.ts'
import type { Settings } from './resource.ts'
import type { Transaction } from './transaction.ts'

/** Neutron's name for the limit of a kind. */
export const quotaName = singularOf

export const quotaOf = (reader: Reader, settings: Settings, kind: ResourceKind, projectId: string): number =>
  reader.get('quotas', projectId)?.limits[kind] ?? settings.quota[kind]

/** Refuses when `added` more would be too many. */
export function checkQuota(
  tx: Transaction,
  settings: Settings,
  kind: ResourceKind,
  projectId: string,
  added = 1,
): void {
  tx.guard(`quota/${projectId}`)
  const limit = quotaOf(tx, settings, kind, projectId)
  if (limit < 0 || tx.count(kind, 'project_id', projectId) + added <= limit) return
  throw conflict('OverQuota', `Quota exceeded for resources: ['${quotaName(kind)}'].`)
}
