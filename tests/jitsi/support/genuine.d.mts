/** Where the stock clients are, and what a web host serves so that one runs. */
export function clientFolder(name: 'lyno' | 'solyd'): string;
export function genuineFolders(options: { client: 'lyno' | 'solyd' }): Record<string, string | string[]>;
