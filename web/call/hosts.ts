/** Whether a host name is this computer: the only one that is spoken to without TLS. As URL.hostname has it. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '127.0.0.1' || host === '[::1]';
