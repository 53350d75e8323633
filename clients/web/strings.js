/**
 * Every word the pages say, in every language they speak; nothing else holds text.
 *
 * A value is a string or, where a number decides, `{ one, other }` (Intl.PluralRules on
 * `{n}`; Vietnamese needs no such thing). `{name}` is filled in by translate().
 */

export const LANGUAGES = Object.freeze(["vi", "en"]);

export const STRINGS = Object.freeze({
  "page.title": { vi: "Phát trực tiếp – Loacast", en: "Live microphone – Loacast" },
  "page.title.on_air": { vi: "🔴 ĐANG PHÁT – Loacast", en: "🔴 ON AIR – Loacast" },
  "page.heading": { vi: "Phát trực tiếp", en: "Live microphone" },
  "page.skip": { vi: "Đến nút nói", en: "Skip to the talk button" },
  "language.label": { vi: "Ngôn ngữ", en: "Language" },

  "sign-in.heading": { vi: "Đăng nhập", en: "Sign in" },
  "sign-in.intro": {
    vi: "Dán mã truy cập do người quản trị cấp cho bạn.",
    en: "Paste the access token your administrator gave you.",
  },
  "sign-in.token": { vi: "Mã truy cập", en: "Access token" },
  "sign-in.show": { vi: "Hiện mã", en: "Show token" },
  "sign-in.stay": { vi: "Giữ đăng nhập trên máy này", en: "Stay signed in on this device" },
  "sign-in.stay.hint": {
    vi: "Chỉ chọn trên thiết bị của riêng bạn.",
    en: "Only on a device that is yours alone.",
  },
  "sign-in.submit": { vi: "Đăng nhập", en: "Sign in" },
  "sign-in.busy": { vi: "Đang kiểm tra…", en: "Checking…" },
  "sign-in.empty": { vi: "Hãy nhập mã truy cập.", en: "Enter your access token." },
  "sign-out": { vi: "Đăng xuất", en: "Sign out" },

  "zones.heading": { vi: "Phát tới đâu?", en: "Where to?" },
  "zones.search": { vi: "Tìm khu vực", en: "Find a zone" },
  "zones.search.hint": { vi: "Tên xã, thôn…", en: "Commune or village name…" },
  "zones.clear": { vi: "Bỏ chọn tất cả", en: "Clear all" },
  "zones.none": { vi: "Chưa chọn khu vực nào.", en: "No zone chosen yet." },
  "zones.no-match": { vi: "Không tìm thấy khu vực nào.", en: "No zone matches." },
  "zones.empty": {
    vi: "Máy chủ chưa có khu vực nào.",
    en: "This server has no zones yet.",
  },
  "zones.chosen": {
    vi: "Đã chọn {n} khu vực",
    en: { one: "{n} zone chosen", other: "{n} zones chosen" },
  },
  "zones.speakers": {
    vi: "{n} loa",
    en: { one: "{n} speaker", other: "{n} speakers" },
  },
  "zones.expand": { vi: "Mở {name}", en: "Open {name}" },
  "zones.collapse": { vi: "Thu gọn {name}", en: "Close {name}" },
  "zones.on-air": { vi: "Đang phát: {title}", en: "On air: {title}" },
  "level.province": { vi: "Tỉnh", en: "Province" },
  "level.commune": { vi: "Xã", en: "Commune" },
  "level.village": { vi: "Thôn", en: "Village" },
  "level.cluster": { vi: "Cụm", en: "Cluster" },

  "outlook.free": {
    vi: "Các khu vực đã chọn đang im lặng. Bạn sẽ được nghe ngay.",
    en: "Nothing is on in the chosen zones. You will be heard at once.",
  },
  "outlook.cuts": {
    vi: "Bạn sẽ ngắt: {titles}.",
    en: "You will cut in on: {titles}.",
  },
  "outlook.some": {
    vi: "{n} khu vực sẽ phải chờ, vì đang có: {titles}.",
    en: {
      one: "{n} zone will have to wait for: {titles}.",
      other: "{n} zones will have to wait for: {titles}.",
    },
  },
  "outlook.wait": {
    vi: "Chưa ai nghe được bạn lúc này: đang có {titles}. Chọn mức cao hơn hoặc chờ.",
    en: "Nobody would hear you now: {titles} is on. Choose a higher class or wait.",
  },
  "outlook.programme": { vi: "“{title}” ({class})", en: "“{title}” ({class})" },

  "content.heading": { vi: "Nội dung", en: "What it is" },
  "content.title": { vi: "Tên buổi phát", en: "Title" },
  "content.title.hint": { vi: "Ví dụ: Lịch tiêm phòng", en: "For example: Vaccination days" },
  "content.title.default": { vi: "Phát trực tiếp – {name}", en: "Live – {name}" },
  "content.chime": { vi: "Phát nhạc hiệu mở đầu", en: "Play the opening chime" },
  "content.class": { vi: "Mức", en: "Class" },
  "class.background": { vi: "Nền", en: "Background" },
  "class.normal": { vi: "Thông thường", en: "Normal" },
  "class.priority": { vi: "Ưu tiên", en: "Priority" },
  "class.emergency": { vi: "Khẩn cấp", en: "Emergency" },
  "class.background.hint": {
    vi: "Nhường mọi chương trình khác.",
    en: "Gives way to everything else.",
  },
  "class.normal.hint": {
    vi: "Dùng cho thông báo hằng ngày.",
    en: "For everyday announcements.",
  },
  "class.priority.hint": {
    vi: "Ngắt chương trình thông thường ở các khu vực đã chọn.",
    en: "Cuts in on normal programmes in the chosen zones.",
  },
  "class.emergency.hint": {
    vi: "Chỉ cho thiên tai, cháy, sơ tán. Ngắt mọi chương trình.",
    en: "Disaster, fire, evacuation only. Cuts in on everything.",
  },

  "microphone.heading": { vi: "Micrô", en: "Microphone" },
  "microphone.allow": { vi: "Bật micrô", en: "Turn the microphone on" },
  "microphone.why": {
    vi: "Bật micrô để thử trước. Chưa có gì được phát đi.",
    en: "Turn it on to try it first. Nothing is broadcast yet.",
  },
  "microphone.device": { vi: "Thiết bị", en: "Device" },
  "microphone.unnamed": { vi: "Micrô {n}", en: "Microphone {n}" },
  "microphone.music": { vi: "Nhạc / đường vào (line in)", en: "Music / line in" },
  "microphone.music.hint": {
    vi: "Tắt lọc ồn, khử vọng và tự chỉnh âm lượng.",
    en: "Switches noise, echo and volume processing off.",
  },
  "microphone.level": { vi: "Mức micrô", en: "Microphone level" },
  "microphone.level.server": { vi: "Máy chủ nghe", en: "Server hears" },
  "microphone.quiet": {
    vi: "Micrô không nghe thấy gì. Hãy nói thử.",
    en: "The microphone hears nothing. Say something.",
  },
  "microphone.good": { vi: "Micrô nghe tốt.", en: "The microphone hears well." },
  "microphone.hot": {
    vi: "Quá to. Hãy lùi xa micrô một chút.",
    en: "Too loud. Move back a little.",
  },

  "mode.label": { vi: "Cách nói", en: "How to talk" },
  "mode.toggle": { vi: "Bấm bật / tắt", en: "Press on / off" },
  "mode.hold": { vi: "Giữ để nói", en: "Hold to talk" },
  "talk.start": { vi: "Bắt đầu nói", en: "Start talking" },
  "talk.hold": { vi: "Giữ để nói", en: "Hold to talk" },
  "talk.holding": { vi: "Thả ra để dừng", en: "Let go to stop" },
  "talk.stop": { vi: "Dừng phát", en: "Stop" },
  "talk.stopping": { vi: "Đang dừng…", en: "Stopping…" },
  "talk.confirm": { vi: "Xác nhận khẩn cấp", en: "Confirm emergency" },
  "talk.needs.zones": { vi: "Hãy chọn ít nhất một khu vực.", en: "Choose at least one zone." },
  "talk.needs.microphone": { vi: "Hãy bật micrô.", en: "Turn the microphone on." },
  "talk.needs.right": {
    vi: "Mã của bạn chỉ được xem, không được phát.",
    en: "Your token may only look, not broadcast.",
  },
  "talk.ready.hold": {
    vi: "Giữ nút hoặc phím cách.",
    en: "Hold the button or the space bar.",
  },

  "phase.off": { vi: "Đang tắt", en: "Off air" },
  "phase.off.detail": { vi: "Không ai nghe thấy bạn.", en: "Nobody hears you." },
  "phase.connecting": { vi: "Đang kết nối…", en: "Connecting…" },
  "phase.connecting.detail": { vi: "Chưa nói vội.", en: "Do not talk yet." },
  "phase.opening": { vi: "Chờ nhạc hiệu…", en: "Wait for the chime…" },
  "phase.opening.detail": {
    vi: "Nhạc hiệu đang phát. Chưa nói vội.",
    en: "The opening chime is playing. Do not talk yet.",
  },
  "phase.on_air": { vi: "ĐANG PHÁT", en: "ON AIR" },
  "phase.on_air.detail": {
    vi: "Loa đang phát tiếng của bạn.",
    en: "The speakers are playing your voice.",
  },
  "phase.on_air.nobody": {
    vi: "Nhưng chưa có loa nào kết nối ở đó.",
    en: "But no speaker is connected there.",
  },
  "phase.waiting": { vi: "ĐANG CHỜ", en: "WAITING" },
  "phase.waiting.detail": {
    vi: "Lúc này chưa ai nghe thấy bạn.",
    en: "Nobody hears you now.",
  },
  "phase.waiting.why": {
    vi: "Lúc này chưa ai nghe thấy bạn: đang phát {titles}.",
    en: "Nobody hears you now: {titles} is on.",
  },
  "phase.unknown": { vi: "KHÔNG RÕ", en: "UNKNOWN" },
  "phase.unknown.lost": {
    vi: "Mất kết nối với máy chủ. Có thể loa vẫn đang phát.",
    en: "Connection lost. The speakers may still be playing.",
  },
  "phase.unknown.stalled": {
    vi: "Máy chủ không nhận được tiếng của bạn.",
    en: "The server is not receiving your sound.",
  },
  "phase.stopping": { vi: "Đang dừng…", en: "Stopping…" },
  "phase.stopping.detail": { vi: "Chờ máy chủ xác nhận.", en: "Waiting for the server." },
  "phase.stopping.lost": {
    vi: "Micrô đã tắt, nhưng máy chủ chưa xác nhận.",
    en: "Your microphone is off, but the server has not confirmed.",
  },
  "phase.silence": {
    vi: "Máy chủ chỉ nghe thấy im lặng. Kiểm tra micrô.",
    en: "The server hears only silence. Check your microphone.",
  },

  "audience.heading": { vi: "Ai đang nghe", en: "Who hears me" },
  "audience.speakers": {
    vi: "cụm loa đang nghe",
    en: { one: "speaker is listening", other: "speakers are listening" },
  },
  "audience.people": {
    vi: "và {n} người nghe qua mạng",
    en: { one: "and {n} person online", other: "and {n} people online" },
  },
  "audience.zones": {
    vi: "{heard}/{n} khu vực",
    en: { one: "{heard} of {n} zone", other: "{heard} of {n} zones" },
  },
  "audience.heard": { vi: "Đang nghe", en: "Hears you" },
  "audience.chime": { vi: "Đang nghe nhạc hiệu", en: "Hears the chime" },
  "audience.partly": {
    vi: "Một phần: {n} khu vực đang nghe {titles}",
    en: { one: "Partly: {n} zone hears {titles}", other: "Partly: {n} zones hear {titles}" },
  },
  "audience.unheard": { vi: "Chưa nghe", en: "Does not hear you" },
  "audience.unheard.why": { vi: "Đang nghe {titles}", en: "Hears {titles}" },
  "audience.more": {
    vi: "và {n} khu vực nữa",
    en: { one: "and {n} more zone", other: "and {n} more zones" },
  },
  "audience.unknown": { vi: "Không rõ", en: "Unknown" },

  "emergency.heading": { vi: "Phát khẩn cấp?", en: "Emergency broadcast?" },
  "emergency.text": {
    vi: "Mọi chương trình khác ở các khu vực này sẽ bị ngắt ngay:",
    en: "Every other programme in these zones will be cut off at once:",
  },
  "emergency.understood": {
    vi: "Đây là tình huống khẩn cấp thật",
    en: "This is a real emergency",
  },
  "emergency.go": { vi: "Phát khẩn cấp ngay", en: "Broadcast now" },
  "emergency.arm": { vi: "Xác nhận, rồi giữ nút để nói", en: "Confirm, then hold to talk" },
  "emergency.cancel": { vi: "Huỷ", en: "Cancel" },
  "emergency.armed": {
    vi: "Đã xác nhận khẩn cấp. Giữ nút để nói.",
    en: "Emergency confirmed. Hold the button to talk.",
  },

  "listen.title": { vi: "Nghe truyền thanh – Loacast", en: "Listen – Loacast" },
  "listen.title.where": { vi: "▶ {where} – Loacast", en: "▶ {where} – Loacast" },
  "listen.title.emergency": {
    vi: "⚠ KHẨN CẤP: {title} – {where}",
    en: "⚠ EMERGENCY: {title} – {where}",
  },
  "listen.heading": { vi: "Nghe truyền thanh", en: "Listen" },
  "listen.skip": { vi: "Đến nút nghe", en: "Skip to the listen button" },
  "listen.zones.heading": { vi: "Nghe ở đâu?", en: "Which place?" },
  "listen.zones.empty": {
    vi: "Chưa có khu vực nào mở cho mọi người nghe.",
    en: "No zone is open to the public yet.",
  },
  "listen.programmes.heading": { vi: "Từng chương trình", en: "Single programmes" },
  "listen.choose": { vi: "Chọn nơi để nghe", en: "Choose a place" },
  "listen.choose.detail": {
    vi: "Bấm vào nơi bạn ở trong danh sách.",
    en: "Press the place where you live in the list.",
  },
  "listen.gone": {
    vi: "Khu vực này không có, hoặc không mở cho mọi người.",
    en: "This zone is not there, or not open to the public.",
  },
  "listen.start": { vi: "Nghe", en: "Listen" },
  "listen.stop": { vi: "Dừng nghe", en: "Stop listening" },
  "listen.unblock": { vi: "Bấm để nghe tiếp", en: "Press to go on listening" },
  "listen.retry.now": { vi: "Thử lại ngay", en: "Try again now" },
  "listen.volume": { vi: "Âm lượng", en: "Volume" },
  "listen.emergency": { vi: "KHẨN CẤP", en: "EMERGENCY" },
  "listen.off": { vi: "Chưa nghe", en: "Not listening" },
  "listen.off.silent": { vi: "Lúc này đang im lặng.", en: "Nothing is on now." },
  "listen.connecting": { vi: "Đang kết nối…", en: "Connecting…" },
  "listen.connecting.detail": { vi: "Xin chờ một chút.", en: "Just a moment." },
  "listen.listening": { vi: "ĐANG NGHE", en: "LISTENING" },
  "listen.unknown": {
    vi: "Chưa rõ đang phát chương trình nào.",
    en: "What is on is not known at the moment.",
  },
  "listen.silent": { vi: "Im lặng", en: "Silence" },
  "listen.silent.detail": {
    vi: "Chưa có chương trình. Khi có, bạn sẽ nghe thấy ngay.",
    en: "Nothing is on. When something is, you will hear it at once.",
  },
  "listen.stalled": { vi: "Không có tiếng", en: "No sound comes" },
  "listen.stalled.detail": {
    vi: "Máy chủ đang phát nhưng âm thanh không tới. Đang chờ…",
    en: "The server is on air, but the sound does not arrive. Waiting…",
  },
  "listen.reconnecting": { vi: "Mất kết nối", en: "Connection lost" },
  "listen.reconnecting.detail": { vi: "Đang kết nối lại…", en: "Connecting again…" },
  "listen.retry": {
    vi: "Tự thử lại sau {n} giây.",
    en: {
      one: "Trying again by itself in {n} second.",
      other: "Trying again by itself in {n} seconds.",
    },
  },
  "listen.blocked": { vi: "Tạm dừng", en: "Paused" },
  "listen.blocked.detail": {
    vi: "Thiết bị đã tạm dừng âm thanh.",
    en: "Your device has paused the sound.",
  },
  "listen.unsupported": {
    vi: "Trình duyệt này không nghe trực tiếp được (không có WebRTC). Hãy dùng trình duyệt khác.",
    en: "This browser cannot play live sound (no WebRTC). Please use another one.",
  },
  "quality.heading": { vi: "Chất lượng", en: "Reception" },
  "quality.good": { vi: "Tốt", en: "Good" },
  "quality.fair": { vi: "Tạm được", en: "Fair" },
  "quality.poor": { vi: "Kém", en: "Poor" },
  "quality.latency": { vi: "Độ trễ", en: "Delay" },
  "quality.lost": { vi: "Mất gói", en: "Lost" },
  "quality.concealed": { vi: "Bù tiếng", en: "Made up" },

  "outcome.stopped": { vi: "Đã dừng. Không ai nghe thấy bạn.", en: "Stopped. Nobody hears you." },
  "outcome.completed": { vi: "Buổi phát đã kết thúc.", en: "The broadcast is over." },
  "outcome.failed": {
    vi: "Buổi phát bị lỗi và đã dừng. {detail}",
    en: "The broadcast failed and has stopped. {detail}",
  },
  "outcome.interrupted": {
    vi: "Máy chủ đã dừng buổi phát. {detail}",
    en: "The server ended the broadcast. {detail}",
  },
  "outcome.limited": {
    vi: "Đã hết thời lượng cho phép, buổi phát đã dừng. {detail}",
    en: "The broadcast lasted as long as it may, and has stopped. {detail}",
  },
  "outcome.microphone-lost": {
    vi: "Micrô đã bị rút hoặc tắt, buổi phát đã dừng.",
    en: "The microphone was unplugged or turned off; the broadcast has stopped.",
  },
  "outcome.link-lost": {
    vi: "Mất đường truyền âm thanh, buổi phát đã dừng.",
    en: "The audio connection was lost; the broadcast has stopped.",
  },
  "microphone.lost": {
    vi: "Micrô đã bị rút hoặc tắt. Hãy bật lại.",
    en: "The microphone was unplugged or turned off. Turn it on again.",
  },
  "dismiss": { vi: "Đóng", en: "Dismiss" },

  "problem.unknown": { vi: "Có lỗi ({slug}). {detail}", en: "Something failed ({slug}). {detail}" },
  "problem.no-connection": {
    vi: "Không liên lạc được với máy chủ. Kiểm tra mạng rồi thử lại.",
    en: "The server cannot be reached. Check the network and try again.",
  },
  "problem.unauthorized": {
    vi: "Mã truy cập sai hoặc đã hết hạn. Hãy đăng nhập lại.",
    en: "The access token is wrong or has expired. Sign in again.",
  },
  "problem.invalid-token": {
    vi: "Mã truy cập sai hoặc đã bị thu hồi.",
    en: "The access token is wrong or was withdrawn.",
  },
  "problem.expired-token": {
    vi: "Mã truy cập đã hết hạn. Hãy xin mã mới.",
    en: "The access token has expired. Ask for a new one.",
  },
  "problem.forbidden": {
    vi: "Bạn không được phép làm việc này.",
    en: "You are not allowed to do this.",
  },
  "problem.unknown-zone": {
    vi: "Khu vực này không còn trên máy chủ. Hãy tải lại trang.",
    en: "This zone is no longer on the server. Reload the page.",
  },
  "problem.too-many-programmes": {
    vi: "Máy chủ đang phát quá nhiều chương trình. Thử lại sau.",
    en: "The server carries too many programmes. Try again later.",
  },
  "problem.shutting-down": {
    vi: "Máy chủ đang khởi động lại. Thử lại sau ít phút.",
    en: "The server is restarting. Try again in a few minutes.",
  },
  "problem.database-unavailable": {
    vi: "Cơ sở dữ liệu không trả lời. Thử lại sau.",
    en: "The database does not answer. Try again later.",
  },
  "problem.internal-error": {
    vi: "Máy chủ bị lỗi. Báo cho người quản trị.",
    en: "The server failed. Tell your administrator.",
  },
  "problem.invalid-request": {
    vi: "Máy chủ không nhận yêu cầu này: {detail}",
    en: "The server does not take this: {detail}",
  },
  "problem.unknown-session": {
    vi: "Đường truyền âm thanh đã đóng. Hãy thử lại.",
    en: "The audio connection was closed. Try again.",
  },
  "problem.unreadable-answer": {
    vi: "Máy chủ trả lời sai. Báo cho người quản trị.",
    en: "The server's answer makes no sense. Tell your administrator.",
  },
  "problem.missing-token": {
    vi: "Khu vực này không mở cho mọi người. Hãy đăng nhập để nghe.",
    en: "This zone is not open to the public. Sign in to listen.",
  },
  "problem.unknown-broadcast": {
    vi: "Chương trình này đã kết thúc.",
    en: "This programme is over.",
  },
  "problem.too-many-listeners": {
    vi: "Đang có quá nhiều người nghe. Trang sẽ tự thử lại.",
    en: "Too many people are listening. The page will try again by itself.",
  },
  "problem.too-many-joins": {
    vi: "Quá nhiều người từ mạng của bạn cùng vào nghe. Trang sẽ tự thử lại.",
    en: "Too many people on your network are joining. The page will try again by itself.",
  },
  "problem.no-webrtc": {
    vi: "Máy chủ này không phát qua trình duyệt.",
    en: "This server does not send sound to browsers.",
  },
  "problem.unacceptable-sdp": {
    vi: "Máy chủ không dùng được âm thanh của trình duyệt này. Thử trình duyệt khác.",
    en: "The server cannot use this browser's audio. Try another browser.",
  },
  "problem.too-many-microphones": {
    vi: "Máy chủ đang nhận quá nhiều micrô. Thử lại sau.",
    en: "The server receives too many microphones. Try again later.",
  },
  "problem.no-media": {
    vi: "Mạng không cho âm thanh đi qua (UDP bị chặn?). Thử mạng khác.",
    en: "The network lets no audio through (UDP blocked?). Try another network.",
  },
  "problem.microphone-denied": {
    vi: "Trình duyệt không cho dùng micrô. Bấm vào ổ khoá cạnh địa chỉ để cho phép.",
    en: "The browser refuses the microphone. Click the padlock beside the address to allow it.",
  },
  "problem.microphone-missing": {
    vi: "Không tìm thấy micrô nào.",
    en: "No microphone was found.",
  },
  "problem.microphone-busy": {
    vi: "Micrô đang bị chương trình khác dùng hoặc bị lỗi.",
    en: "The microphone is in use by another program, or broken.",
  },
  "problem.microphone-needs-https": {
    vi: "Trình duyệt chỉ cho dùng micrô qua HTTPS. Hãy mở trang bằng địa chỉ https://.",
    en: "Browsers allow the microphone only over HTTPS. Open this page by its https:// address.",
  },
});
