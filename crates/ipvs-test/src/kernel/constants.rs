//! The numbers of linux/netlink.h, linux/genetlink.h and linux/ip_vs.h that the model knows. The library has its own
//! copy: a wrong number in one of them fails a test.

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const GENL_ID_CTRL: u16 = 16;

pub(super) const NLM_F_REQUEST: u16 = 0x001;
pub(super) const NLM_F_MULTI: u16 = 0x002;
pub(super) const NLM_F_ACK: u16 = 0x004;
pub(super) const NLM_F_CAPPED: u16 = 0x100;
pub(super) const NLM_F_DUMP: u16 = 0x300;

pub(super) const CTRL_CMD_NEWFAMILY: u8 = 1;
pub(super) const CTRL_CMD_GETFAMILY: u8 = 3;
pub(super) const CTRL_ATTR_FAMILY_ID: u16 = 1;
pub(super) const CTRL_ATTR_FAMILY_NAME: u16 = 2;

pub(super) const NEW_SERVICE: u8 = 1;
pub(super) const SET_SERVICE: u8 = 2;
pub(super) const DEL_SERVICE: u8 = 3;
pub(super) const GET_SERVICE: u8 = 4;
pub(super) const NEW_DEST: u8 = 5;
pub(super) const SET_DEST: u8 = 6;
pub(super) const DEL_DEST: u8 = 7;
pub(super) const GET_DEST: u8 = 8;
pub(super) const NEW_DAEMON: u8 = 9;
pub(super) const DEL_DAEMON: u8 = 10;
pub(super) const GET_DAEMON: u8 = 11;
pub(super) const SET_CONFIG: u8 = 12;
pub(super) const GET_CONFIG: u8 = 13;
pub(super) const SET_INFO: u8 = 14;
pub(super) const GET_INFO: u8 = 15;
pub(super) const ZERO: u8 = 16;
pub(super) const FLUSH: u8 = 17;

pub(super) const CMD_ATTR_SERVICE: u16 = 1;
pub(super) const CMD_ATTR_DEST: u16 = 2;
pub(super) const CMD_ATTR_DAEMON: u16 = 3;
/// TCP, TCP after a FIN, UDP.
pub(super) const CMD_ATTR_TIMEOUTS: [u16; 3] = [4, 5, 6];

pub(super) const SVC_ATTR_AF: u16 = 1;
pub(super) const SVC_ATTR_PROTOCOL: u16 = 2;
pub(super) const SVC_ATTR_ADDR: u16 = 3;
pub(super) const SVC_ATTR_PORT: u16 = 4;
pub(super) const SVC_ATTR_FWMARK: u16 = 5;
pub(super) const SVC_ATTR_SCHED_NAME: u16 = 6;
pub(super) const SVC_ATTR_FLAGS: u16 = 7;
pub(super) const SVC_ATTR_TIMEOUT: u16 = 8;
pub(super) const SVC_ATTR_NETMASK: u16 = 9;
pub(super) const SVC_ATTR_STATS: u16 = 10;
pub(super) const SVC_ATTR_PE_NAME: u16 = 11;
pub(super) const SVC_ATTR_STATS64: u16 = 12;

/// The kernel sets this flag of every service in its table.
pub(super) const SVC_F_HASHED: u32 = 0x0002;

pub(super) const DEST_ATTR_ADDR: u16 = 1;
pub(super) const DEST_ATTR_PORT: u16 = 2;
pub(super) const DEST_ATTR_FWD_METHOD: u16 = 3;
pub(super) const DEST_ATTR_WEIGHT: u16 = 4;
pub(super) const DEST_ATTR_U_THRESH: u16 = 5;
pub(super) const DEST_ATTR_L_THRESH: u16 = 6;
/// Active, inactive and persistent connections.
pub(super) const DEST_ATTR_CONNS: [u16; 3] = [7, 8, 9];
pub(super) const DEST_ATTR_STATS: u16 = 10;
pub(super) const DEST_ATTR_ADDR_FAMILY: u16 = 11;
pub(super) const DEST_ATTR_STATS64: u16 = 12;
pub(super) const DEST_ATTR_TUN_TYPE: u16 = 13;
pub(super) const DEST_ATTR_TUN_PORT: u16 = 14;
pub(super) const DEST_ATTR_TUN_FLAGS: u16 = 15;

pub(super) const CONN_F_FWD_MASK: u32 = 7;
pub(super) const CONN_F_TUNNEL: u32 = 2;
pub(super) const TUNNEL_TYPE_GUE: u8 = 1;

pub(super) const DAEMON_ATTR_STATE: u16 = 1;
pub(super) const DAEMON_ATTR_MCAST_IFN: u16 = 2;
pub(super) const DAEMON_ATTR_SYNC_ID: u16 = 3;
pub(super) const DAEMON_ATTR_SYNC_MAXLEN: u16 = 4;
pub(super) const DAEMON_ATTR_MCAST_GROUP: u16 = 5;
pub(super) const DAEMON_ATTR_MCAST_GROUP6: u16 = 6;
pub(super) const DAEMON_ATTR_MCAST_PORT: u16 = 7;
pub(super) const DAEMON_ATTR_MCAST_TTL: u16 = 8;

/// The states of a sync daemon.
pub(super) const MASTER: u32 = 1;
pub(super) const BACKUP: u32 = 2;

pub(super) const INFO_ATTR_VERSION: u16 = 1;
pub(super) const INFO_ATTR_CONN_TAB_SIZE: u16 = 2;

pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
