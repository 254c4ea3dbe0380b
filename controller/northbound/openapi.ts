// The OpenAPI document, made from the attribute tables.
import { collectionOf, pathOf } from './model.ts'
import { agentPaths, agentSchemas } from './openapi-agents.ts'
import { operatorPaths } from './openapi-operator.ts'
import {
  id,
  json,
  object,
  parameter,
  properties,
  reference,
  refusals,
  type Operation,
  type Table,
} from './openapi-parts.ts'
import { qosPaths, qosSchemas } from './openapi-qos.ts'
import { resourceKinds, resources } from './resources/index.ts'

const ownership: ReadonlySet<string> = new Set(['project_id', 'tenant_id'])
const required = (table: Table): string[] =>
  Object.entries(table)
    .filter(([name, row]) => row.create !== 'none' && !Object.hasOwn(row, 'default') && !ownership.has(name))
    .map(([name]) => name)

const queryControls = [
  'fields',
  'sort_key',
  'sort_dir',
  'limit',
  'marker',
  'page_reverse',
  'tags',
  'tags-any',
  'not-tags',
  'not-tags-any',
  'changed_since',
]
const wait = parameter('wait', 'query', { enum: ['realized'] })

function resourcePaths(kind: (typeof resourceKinds)[number]): Record<string, Record<string, Operation>> {
  const { singular, label, attributes } = resources[kind]
  const path = `/v2.0/${pathOf(kind)}`
  const one = object({ [singular]: reference(label) })
  const collection = collectionOf(kind)
  const many = object({
    [collection]: { type: 'array', items: reference(label) },
    [`${collection}_links`]: { type: 'array' },
  })
  const body = (action: 'Create' | 'Update'): object => ({
    required: true,
    ...json(object({ [singular]: reference(`${label}${action}`) })),
  })
  const filters = Object.keys(attributes).map((name) => parameter(name, 'query', attributes[name]?.type.schema ?? {}))
  const controls = queryControls.map((name) => parameter(name, 'query', { type: 'string' }))
  const tags = [kind]
  const ok = (description: string, schema: object): object => ({ description, ...json(schema) })
  return {
    [path]: {
      get: {
        tags,
        summary: `List ${kind}`,
        parameters: [...filters, ...controls],
        responses: { 200: ok('The list', many), ...refusals(400, 401) },
      },
      post: {
        tags,
        summary: `Create one of ${kind}, or several at once`,
        parameters: [wait],
        requestBody: body('Create'),
        responses: { 201: ok('Created', one), ...refusals(400, 401, 403, 404, 409) },
      },
    },
    [`${path}/{id}`]: {
      get: {
        tags,
        summary: `Show one of ${kind}`,
        parameters: [id],
        responses: { 200: ok('The object', one), ...refusals(401, 404) },
      },
      put: {
        tags,
        summary: `Change one of ${kind}`,
        parameters: [id, wait],
        requestBody: body('Update'),
        responses: { 200: ok('Changed', one), ...refusals(400, 401, 403, 404, 409, 412) },
      },
      delete: {
        tags,
        summary: `Delete one of ${kind}`,
        parameters: [id, wait],
        responses: { 204: { description: 'Deleted' }, ...refusals(401, 403, 404, 409, 412) },
      },
    },
    [`${path}/{id}/tags`]: {
      get: {
        tags,
        summary: 'Tags',
        parameters: [id],
        responses: { 200: ok('Tags', reference('Tags')), ...refusals(401, 404) },
      },
      put: {
        tags,
        summary: 'Replace the tags',
        parameters: [id],
        requestBody: { required: true, ...json(reference('Tags')) },
        responses: { 200: ok('Tags', reference('Tags')), ...refusals(400, 401, 403, 404) },
      },
    },
  }
}

/** Beside create, update and delete: method, address, and the schema of the body. */
const actions = [
  ['put', 'routers', 'add_router_interface', 'RouterInterface'],
  ['put', 'routers', 'remove_router_interface', 'RouterInterface'],
  ['put', 'routers', 'add_extraroutes', 'ExtraRoutes'],
  ['put', 'routers', 'remove_extraroutes', 'ExtraRoutes'],
  ['put', 'address_groups', 'add_addresses', 'Addresses'],
  ['put', 'address_groups', 'remove_addresses', 'Addresses'],
  ['put', 'security_groups', 'insert_rule', 'InsertRule'],
  ['post', 'security_groups', 'import', 'RuleList'],
] as const

function actionPaths(): Record<string, Record<string, Operation>> {
  const done = (tags: readonly string[], schema: string): Operation => ({
    tags,
    parameters: [id, wait],
    requestBody: { required: true, ...json(reference(schema)) },
    responses: { 200: { description: 'Done' }, ...refusals(400, 401, 403, 404, 409) },
  })
  const written = actions.map(([method, kind, name, schema]) => [
    `/v2.0/${pathOf(kind)}/{id}/${name}`,
    { [method]: { summary: name.replaceAll('_', ' '), ...done([kind], schema) } },
  ])
  const exported = {
    tags: ['security_groups'],
    summary: 'Export the rules',
    parameters: [id, parameter('format', 'query', { enum: ['json', 'csv'] })],
    responses: { 200: { description: 'The rules', ...json(reference('RuleList')) }, ...refusals(400, 401, 404) },
  }
  return { ...Object.fromEntries(written), '/v2.0/security-groups/{id}/export': { get: exported } }
}

function schemas(): Record<string, object> {
  const text = { type: 'string' }
  const made = resourceKinds.flatMap((kind) => {
    const { label, attributes } = resources[kind]
    return [
      [label, object(properties(attributes, () => true))],
      [
        `${label}Create`,
        object(
          properties(attributes, (row) => row.create !== 'none'),
          required(attributes),
        ),
      ],
      [`${label}Update`, object(properties(attributes, (row) => row.update !== 'none'))],
    ] as const
  })
  return {
    ...Object.fromEntries(made),
    ...agentSchemas,
    ...qosSchemas(),
    Tags: object({ tags: { type: 'array', items: text } }, ['tags']),
    RouterInterface: object({ subnet_id: text, port_id: text }),
    ExtraRoutes: object({
      router: object({ routes: { type: 'array', items: object({ destination: text, nexthop: text }) } }),
    }),
    Addresses: object({ addresses: { type: 'array', items: text } }, ['addresses']),
    InsertRule: object({ security_group_rule_id: text, insert_before: text, insert_after: text }, [
      'security_group_rule_id',
    ]),
    RuleList: object({ security_group_rules: { type: 'array', items: { type: 'object' } } }, ['security_group_rules']),
    Error: object({ NeutronError: object({ type: text, message: text, detail: text }) }),
  }
}

export function openApi(): Record<string, unknown> {
  return {
    openapi: '3.0.3',
    info: { title: 'Weft', version: '2.0', description: 'OpenStack Networking API v2.0 over Open vSwitch.' },
    paths: Object.assign(
      {},
      ...resourceKinds.map(resourcePaths),
      actionPaths(),
      agentPaths,
      qosPaths(),
      operatorPaths(),
    ),
    components: {
      schemas: schemas(),
      securitySchemes: {
        token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' },
        basic: { type: 'http', scheme: 'basic' },
      },
    },
    security: [{ token: [] }, { basic: [] }],
  }
}
