// The intent of a cloud of any size, as the API itself would have stored it: one of each object is made over REST, and what
// the store then holds is the mould for all others. So a new attribute of the API needs no change here.
//
// A tenant has ten networks of a hundred ports, joined by one router, on twenty hosts; each host has two tenants, so a hundred
// ports. That is a busy private cloud: tenants stay on a few racks, and what happens in one concerns no other.
import { join } from 'node:path'
import { openLmdbStore, type Operation, type Store } from '../../controller/store/index.ts'
import { ServeProcess } from '../lab/serve.ts'

const NETWORKS = 10
const PORTS_PER_NETWORK = 100
const HOSTS_PER_TENANT = 20
const TENANTS_PER_HOST = 2
const PORTS_PER_TENANT = NETWORKS * PORTS_PER_NETWORK
/** Operations of one transaction. */
const BATCH = 2_000
/** Of the mould; those of tenant and network take its place. */
const SUBNET = '10.0.0.'

type Row = Readonly<Record<string, unknown>> & { readonly id: string }
interface Moulded {
  readonly kind: string
  readonly row: Row
}

interface Mould {
  /** Rows that a tenant has once, a network once, and each port. */
  readonly tenant: readonly Moulded[]
  readonly network: readonly Moulded[]
  readonly port: Row
}

interface PortPlace {
  readonly id: string
  readonly network: string
  readonly tenant: number
  readonly host: number
}

export interface Cloud {
  readonly hosts: number
  readonly tenants: number
  readonly ports: readonly PortPlace[]
  /** The security groups, one of each tenant, that all its ports are in. */
  readonly groups: readonly string[]
  /** UUIDs by host. */
  readonly plugged: readonly (readonly string[])[]
}

/** The first 12 digits, which cookies hold, differ between all objects; so do the first 16, which name networks. */
function uuidOf(kind: number, n: number): string {
  const digits = kind.toString(16).padStart(2, '0') + n.toString(16).padStart(10, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8)}-4000-8000-000000000000`
}

const KINDS = { group: 0x08, tenant: 0x10, network: 0x40, port: 0x80 } as const

export function cloudOf(hosts: number): Cloud {
  const tenants = (hosts * TENANTS_PER_HOST) / HOSTS_PER_TENANT
  const stride = HOSTS_PER_TENANT / TENANTS_PER_HOST
  const plugged: string[][] = Array.from({ length: hosts }, () => [])
  const ports = Array.from({ length: tenants * PORTS_PER_TENANT }, (_, i): PortPlace => {
    const tenant = Math.floor(i / PORTS_PER_TENANT)
    const host = (tenant * stride + (i % HOSTS_PER_TENANT)) % hosts
    const id = uuidOf(KINDS.port, i)
    plugged[host]?.push(id)
    return { id, tenant, host, network: uuidOf(KINDS.network, Math.floor(i / PORTS_PER_NETWORK)) }
  })
  const groups = Array.from({ length: tenants }, (_, tenant) => uuidOf(KINDS.group, tenant))
  return { hosts, tenants, ports, groups, plugged }
}

async function makeMould(folder: string): Promise<Mould> {
  const controller = await ServeProcess.start(folder)
  const made = async (kind: string, body: object): Promise<Row> =>
    (await controller.call('POST', `/v2.0/${kind}s`, { [kind]: body }))[kind] as Row
  const network = await made('network', {})
  const subnet = await made('subnet', { network_id: network.id, ip_version: 4, cidr: `${SUBNET}0/24` })
  const router = await made('router', {})
  await controller.call('PUT', `/v2.0/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  const port = await made('port', { network_id: network.id })
  await controller.stop()
  const store = openLmdbStore({ folder: join(folder, 'data', 'store') })
  const { entries } = await store.range('intent/')
  await store.close()
  const rows = entries.map(({ key, value }): Moulded => ({
    kind: key.split('/')[1] ?? '',
    row: JSON.parse(value) as Row,
  }))
  const isOfNetwork = ({ row }: Moulded): boolean => row.id === network.id || row['network_id'] === network.id
  return {
    tenant: rows.filter((each) => !isOfNetwork(each)),
    network: rows.filter((each) => isOfNetwork(each) && each.row.id !== port.id),
    port: rows.find(({ row }) => row.id === port.id)?.row as Row,
  }
}

/** A copy of a row with these texts in the place of others, wherever they stand. */
function cast(row: Row, texts: ReadonlyMap<string, string>): Row {
  let json = JSON.stringify(row)
  for (const [from, to] of texts) json = json.replaceAll(from, to)
  return JSON.parse(json) as Row
}

const macOf = (kind: number, n: number): string =>
  [2, kind, n >>> 24, n >>> 16, n >>> 8, n].map((each) => (each & 255).toString(16).padStart(2, '0')).join(':')

function* rowsOf(mould: Mould, cloud: Cloud): Generator<Moulded> {
  const { port } = mould
  const project = String(port['project_id'])
  const [{ ip_address: address }] = port['fixed_ips'] as readonly [{ readonly ip_address: string }]
  for (let t = 0; t < cloud.tenants; t += 1) {
    const names = new Map([[project, `tenant-${t}`]])
    for (const [i, { kind, row }] of mould.tenant.entries()) {
      names.set(row.id, uuidOf(kind === 'security_groups' ? KINDS.group : KINDS.tenant + i, t))
    }
    for (const { kind, row } of mould.tenant) yield { kind, row: cast(row, names) }
    for (let n = t * NETWORKS; n < (t + 1) * NETWORKS; n += 1) {
      const inNetwork = new Map(names)
      for (const [i, { row }] of mould.network.entries()) inNetwork.set(row.id, uuidOf(KINDS.network + i, n))
      const prefix = `10.${n % NETWORKS}.0.`
      for (const { kind, row } of mould.network) {
        const own = cast(row, new Map([...inNetwork, [SUBNET, prefix]]))
        const segment = 'provider:segmentation_id' in own ? { 'provider:segmentation_id': n + 1 } : {}
        const mac = 'mac_address' in own ? { mac_address: macOf(1, n) } : {}
        yield { kind, row: { ...own, ...segment, ...mac } }
      }
      for (let p = 0; p < PORTS_PER_NETWORK; p += 1) {
        const i = n * PORTS_PER_NETWORK + p
        const own = [
          [port.id, uuidOf(KINDS.port, i)],
          [address, `${prefix}${p + 10}`],
          [String(port['mac_address']), macOf(2, i)],
        ] as const
        yield { kind: 'ports', row: cast(port, new Map([...inNetwork, ...own])) }
      }
    }
  }
}

async function write(store: Store, rows: Iterable<Moulded>): Promise<void> {
  let apply: Operation[] = []
  const flush = async (): Promise<void> => {
    await store.transact({ apply })
    apply = []
  }
  for (const { kind, row } of rows) {
    apply.push({ kind: 'put', key: `intent/${kind}/${row.id}`, value: JSON.stringify(row) })
    if (apply.length === BATCH) await flush()
  }
  await flush()
}

/** Fills the store that a controller started with `folder` will find. */
export async function fillStore(folder: string, mouldFolder: string, cloud: Cloud): Promise<void> {
  const mould = await makeMould(mouldFolder)
  const store = openLmdbStore({ folder: join(folder, 'data', 'store') })
  await write(store, rowsOf(mould, cloud))
  await store.close()
}
