// Create, update, delete and read of any resource, from its table: the part of the API that knows no HTTP.
import { randomUUID } from 'node:crypto'
import type { Reader } from './cache.ts'
import type { Context } from './context.ts'
import { ApiError, forbidden, notFound } from './errors.ts'
import type { Model, Owned, ResourceKind, Standard } from './model.ts'
import { checkQuota } from './quota.ts'
import { type Environment, type Operation, parseBody, type Resource, withDefaults } from './resource.ts'
import { resources } from './resources/index.ts'
import type { Transact, Transaction, Written } from './transaction.ts'

export interface ServiceOptions extends Environment {
  readonly transact: Transact
  readonly now: () => Date
}

export type Body = Readonly<Record<string, unknown>>

export interface Service {
  create<K extends ResourceKind>(context: Context, kind: K, bodies: readonly Body[]): Promise<Written<Model[K][]>>
  update<K extends ResourceKind>(
    context: Context,
    kind: K,
    id: string,
    body: Body,
    ifRevision?: number,
  ): Promise<Written<Model[K]>>
  remove(context: Context, kind: ResourceKind, id: string, ifRevision?: number): Promise<Written<void>>
  setTags(
    context: Context,
    kind: ResourceKind,
    id: string,
    change: (tags: readonly string[]) => readonly string[],
    ifRevision?: number,
  ): Promise<Written<readonly string[]>>
  /** A change of an object that is neither of these: `add_router_interface`, `insert_rule`. */
  act<K extends ResourceKind, T>(
    context: Context,
    kind: K,
    id: string,
    run: (object: Model[K], operation: Operation) => T,
    ifRevision?: number,
  ): Promise<Written<T>>
  /** Makes what each project has without asking. */
  ensure(context: Context, kind: ResourceKind, projectId: string): Promise<void>
  /** 404 unless the object exists and the asker may see it. */
  find<K extends ResourceKind>(context: Context, kind: K, id: string): Model[K]
  visible<K extends ResourceKind>(context: Context, kind: K, object: Model[K]): boolean
  /** What the asker gets to read. */
  project<K extends ResourceKind>(context: Context, kind: K, object: Model[K]): Record<string, unknown>
}

export const timestamp = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`

export function createService(options: ServiceOptions): Service {
  const { cache, settings, live, transact, now } = options

  return {
    create: (context, kind, bodies) =>
      transact((tx) =>
        bodies.map((body) => createOne(tx, context, resources[kind] as unknown as Resource<typeof kind>, body)),
      ),

    update: (context, kind, id, body, ifRevision) =>
      transact((tx) => {
        const resource = resources[kind] as unknown as Resource<typeof kind>
        const before = owned(tx, context, kind, id, 'update', ifRevision)
        const parsed = parseBody(resource.attributes, body, 'update', context, resource.singular)
        const wanted = { ...before, ...stored(resource, parsed) }
        const after = resource.update(before, wanted, operationOf(tx, context, body))
        if (JSON.stringify(after) === JSON.stringify(before)) return before
        const written = touch(before, after)
        tx.put(kind, written)
        return written
      }),

    remove: (context, kind, id, ifRevision) =>
      transact((tx) => {
        const object = owned(tx, context, kind, id, 'delete', ifRevision)
        const resource = resources[kind] as unknown as Resource<typeof kind>
        resource.remove(object, operationOf(tx, context))
        tx.delete(kind, id)
      }),

    setTags: (context, kind, id, change, ifRevision) =>
      transact((tx) => {
        const before = owned(tx, context, kind, id, 'update', ifRevision)
        const tags = [...new Set(change(before.tags))].sort()
        if (tags.join('\n') !== before.tags.join('\n')) tx.put(kind, touch(before, { ...before, tags }))
        return tags
      }),

    act: (context, kind, id, run, ifRevision) =>
      transact((tx) => run(owned(tx, context, kind, id, 'update', ifRevision), operationOf(tx, context))),

    async ensure(context, kind, projectId) {
      if (!resources[kind].ensure?.(cache, projectId)) return
      await transact((tx) => resources[kind].ensure?.(tx, projectId)?.(operationOf(tx, context)))
    },

    find(context, kind, id) {
      const object = cache.get(kind, id)
      if (!object || !visible(cache, context, kind, object)) throw notFound(resources[kind].label, id)
      return object
    },

    visible: (context, kind, object) => visible(cache, context, kind, object),

    project(context, kind, object) {
      const resource = resources[kind] as unknown as Resource<typeof kind>
      const values: Record<string, unknown> = {
        ...object,
        tenant_id: object.project_id,
        ...resource.compute(object, options, context),
      }
      if (context.admin) return values
      for (const [name, row] of Object.entries(resource.attributes)) if (row.read === 'admin') delete values[name]
      return values
    },
  }

  function createOne<K extends ResourceKind>(
    tx: Transaction,
    context: Context,
    resource: Resource<K>,
    body: Body,
  ): Model[K] {
    if (context.role === 'reader') throw forbidden(`rule:create_${resource.singular}`)
    const parsed = parseBody(resource.attributes, body, 'create', context, resource.singular)
    const draft = stored(resource, withDefaults(resource.attributes, parsed))
    const asked = ownerOf(context, parsed, resource.singular)
    const project = resource.owner?.(draft as Model[K], tx) ?? asked
    checkQuota(tx, settings, resource.kind, project)
    const whole = { ...draft, ...standard(project) } as unknown as Model[K]
    const object = resource.create(whole, operationOf(tx, context, body))
    tx.put(resource.kind, object)
    return object
  }

  function operationOf(tx: Transaction, context: Context, body: Body = {}): Operation {
    const given = new Set(Object.keys(body))
    return { tx, context, settings, live, given, touch, make }
  }

  function make<K extends ResourceKind>(kind: K, fields: Partial<Model[K]>, projectId: string): Model[K] {
    const resource = resources[kind] as unknown as Resource<K>
    const draft = stored(resource, withDefaults(resource.attributes, fields))
    return { ...draft, ...standard(projectId) } as unknown as Model[K]
  }

  /** The fields that no body decides. */
  function standard(projectId: string): Omit<Standard, 'name' | 'description'> {
    const at = timestamp(now())
    return { id: randomUUID(), project_id: projectId, tags: [], revision_number: 1, created_at: at, updated_at: at }
  }

  function touch<T extends Owned>(before: T, after: T): T {
    return { ...after, revision_number: before.revision_number + 1, updated_at: timestamp(now()) }
  }
}

function ownerOf(context: Context, parsed: Body, singular: string): string {
  const [project, tenant] = [parsed.project_id, parsed.tenant_id] as (string | undefined)[]
  if (project !== undefined && tenant !== undefined && project !== tenant) {
    throw new ApiError(400, 'HTTPBadRequest', "'project_id' and 'tenant_id' do not match")
  }
  const wanted = project ?? tenant ?? context.projectId
  if (wanted !== context.projectId && !context.admin) throw forbidden(`rule:create_${singular}:project_id`)
  return wanted
}

/** Without the computed attributes and the alias of project_id. */
function stored<K extends ResourceKind>(resource: Resource<K>, parsed: Body): Partial<Model[K]> {
  const kept = Object.entries(parsed).filter(([name]) => name !== 'tenant_id' && !resource.attributes[name]?.computed)
  return Object.fromEntries(kept) as Partial<Model[K]>
}

function visible<K extends ResourceKind>(reader: Reader, context: Context, kind: K, object: Model[K]): boolean {
  if (context.admin) return true
  const resource = resources[kind] as unknown as Resource<K>
  if (resource.hidden?.(object, reader)) return false
  if (object.project_id === context.projectId) return true
  return resource.shared(object, reader) || resource.alsoOwnedBy?.(object, reader) === context.projectId
}

/** The object, if the asker may change it: 404 when he may not even see it, 403 when he only sees it. */
function owned<K extends ResourceKind>(
  tx: Transaction,
  context: Context,
  kind: K,
  id: string,
  action: 'update' | 'delete',
  ifRevision?: number,
): Model[K] {
  const resource = resources[kind] as unknown as Resource<K>
  const object = tx.get(kind, id)
  if (!object || !visible(tx, context, kind, object)) throw notFound(resource.label, id)
  const mine = object.project_id === context.projectId || resource.alsoOwnedBy?.(object, tx) === context.projectId
  const may = mine && context.role !== 'reader' && !resource.locked?.(object, tx)
  if (!context.admin && !may) throw forbidden(`rule:${action}_${resource.singular}`)
  if (ifRevision !== undefined && ifRevision !== object.revision_number) {
    throw new ApiError(
      412,
      'RevisionNumberConstraintFailed',
      `Constrained to ${ifRevision}, but current revision is ${object.revision_number}`,
    )
  }
  return object
}
