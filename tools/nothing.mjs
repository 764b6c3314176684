// In the place of Node's modules in what browsers get.
export default {};
