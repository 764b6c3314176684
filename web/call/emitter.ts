export { Emitter } from '../media/emitter';
