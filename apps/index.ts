// The network services, in an order that never changes: a flow's cookie holds the place of its app. New ones go last.
import type { App } from '../controller/app.ts'
import { arp } from './arp/index.ts'
import { dhcp } from './dhcp/index.ts'
import { groups } from './groups/index.ts'
import { overlay } from './overlay/index.ts'
import { qos } from './qos/index.ts'
import { routing } from './routing/index.ts'
import { security } from './security/index.ts'

export const apps: readonly App[] = [overlay, security, arp, dhcp, routing, groups, qos]
