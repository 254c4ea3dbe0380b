// `weft serve`: runs the controller until SIGTERM or SIGINT.
import { ConfigError, help, printConfig, readConfig, type Request } from '../controller/config.ts'
import { CommandError } from './command.ts'

export async function serveCommand(args: readonly string[]): Promise<number> {
  const request = read(args)
  if (request.action === 'help') {
    process.stdout.write(help())
    return 0
  }
  if (request.action === 'print-config') {
    process.stdout.write(printConfig(request.config))
    return 0
  }
  const { createLogger, serve } = await import('../controller/main.ts')
  const log = createLogger(request.config)
  try {
    const controller = await serve(request.config, log)
    await signal()
    log.info('stopping')
    await controller.close()
    return 0
  } catch (error) {
    log.fatal({ err: error }, 'weft cannot run')
    return 1
  }
}

function read(args: readonly string[]): Request {
  try {
    return readConfig(args, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message)
    throw error
  }
}

const signal = (): Promise<unknown> =>
  new Promise((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
