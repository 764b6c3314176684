export const cache: string;
