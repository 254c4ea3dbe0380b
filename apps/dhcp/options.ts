// Values of DHCP options (RFC 2132): those that a subnet implies, and `extra_dhcp_opts` by name or number.
import { ipv4 } from '../../controller/app.ts'

type Form = 'address' | 'addresses' | 'text' | 'u8' | 'u16' | 'u32' | 'routes' | 'domains'

/** The names that dnsmasq and so Neutron's users know. */
const byName: Readonly<Record<string, readonly [code: number, form: Form]>> = {
  netmask: [1, 'address'],
  'time-offset': [2, 'u32'],
  router: [3, 'addresses'],
  'dns-server': [6, 'addresses'],
  'log-server': [7, 'addresses'],
  hostname: [12, 'text'],
  'domain-name': [15, 'text'],
  'root-path': [17, 'text'],
  'default-ttl': [23, 'u8'],
  mtu: [26, 'u16'],
  broadcast: [28, 'address'],
  'nis-domain': [40, 'text'],
  'nis-server': [41, 'addresses'],
  'ntp-server': [42, 'addresses'],
  'netbios-ns': [44, 'addresses'],
  'lease-time': [51, 'u32'],
  'server-id-override': [54, 'address'],
  T1: [58, 'u32'],
  T2: [59, 'u32'],
  'tftp-server': [66, 'text'],
  'tftp-server-name': [66, 'text'],
  'bootfile-name': [67, 'text'],
  'domain-search': [119, 'domains'],
  'classless-static-route': [121, 'routes'],
  'server-ip-address': [150, 'addresses'],
  'tftp-server-address': [150, 'addresses'],
  wpad: [252, 'text'],
}

const u8 = (value: number): Uint8Array => Uint8Array.of(value)
export const u16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff)
export const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export interface Route {
  readonly network: number
  readonly length: number
  readonly nextHop: number
}

/** RFC 3442: the length, as many bytes of the network as count, the next hop. */
export function classlessRoutes(routes: readonly Route[]): Uint8Array {
  return Uint8Array.from(
    routes.flatMap(({ network, length, nextHop }) => [
      length,
      ...u32(network).subarray(0, Math.ceil(length / 8)),
      ...u32(nextHop),
    ]),
  )
}

/** Domain names as labels (RFC 1035 §3.1), uncompressed, as RFC 3397 allows. */
function domains(value: string): Uint8Array {
  const names = value.split(',').map((name) => name.trim().split('.').filter(Boolean))
  return Uint8Array.from(names.flatMap((labels) => [...labels.flatMap((label) => [label.length, ...text(label)]), 0]))
}

const addresses = (value: string): Uint8Array =>
  Uint8Array.from(value.split(',').flatMap((item) => [...u32(ipv4(item.trim()) ?? 0)]))

function routes(value: string): Uint8Array {
  const parts = value.split(',').map((part) => part.trim())
  const out: Route[] = []
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const [network, length] = (parts[i] as string).split('/')
    out.push({
      network: ipv4(network as string) ?? 0,
      length: Number(length ?? 32),
      nextHop: ipv4(parts[i + 1] as string) ?? 0,
    })
  }
  return classlessRoutes(out)
}

const writers: Readonly<Record<Form, (value: string) => Uint8Array>> = {
  address: addresses,
  addresses,
  text,
  u8: (value) => u8(Number(value)),
  u16: (value) => u16(Number(value)),
  u32: (value) => u32(Number(value)),
  routes,
  domains,
}

/** The code and bytes of an extra option; null for a name that is none or a value that does not parse. */
export function extraOption(name: string, value: string): readonly [code: number, value: Uint8Array] | null {
  const known = byName[name]
  try {
    if (known !== undefined) return [known[0], writers[known[1]](value)]
  } catch {
    return null
  }
  const code = Number(name)
  return Number.isInteger(code) && code > 0 && code < 255 ? [code, text(value)] : null
}
