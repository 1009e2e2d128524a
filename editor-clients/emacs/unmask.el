;;; unmask.el --- Fill masked spans of code in place  -*- lexical-binding: t; -*-

;; Copyright 2026 The Unmask authors
;; SPDX-License-Identifier: Apache-2.0
;; Version: 0.1.0
;; Package-Requires: ((emacs "29.1"))
;; Keywords: languages, tools, convenience

;;; Commentary:

;; Unmask is a language server; this starts it with lsp-mode or with eglot, has a command for
;; everything it can be asked, and shows in the mode line what it is doing.  It computes nothing.
;;
;; With lsp-mode, which can run it beside another server: `M-x lsp'.
;; With eglot, which runs one server in a buffer: (unmask-eglot-setup), then `M-x eglot'.

;;; Code:

(require 'cl-lib)

(defgroup unmask nil
  "Fill masked spans of code in place."
  :group 'tools)

(defcustom unmask-command '("unmask" "serve")
  "How the server is started."
  :type '(repeat string))

(defcustom unmask-settings nil
  "The server's settings, a property list such as (:max_tokens 96)."
  :type 'plist)

(defcustom unmask-modes
  '( python-mode python-ts-mode js-mode js-ts-mode typescript-mode typescript-ts-mode tsx-ts-mode
     go-mode go-ts-mode rust-mode rust-ts-mode java-mode java-ts-mode c-mode c-ts-mode c++-mode c++-ts-mode
     csharp-mode csharp-ts-mode ruby-mode ruby-ts-mode php-mode php-ts-mode sh-mode bash-ts-mode)
  "Major modes that `unmask-eglot-setup' has eglot start Unmask in."
  :type '(repeat symbol))

(defconst unmask--languages '("python" "javascript" "typescript" "go" "rust" "java" "cpp"))
(defconst unmask--strengths '("restyle" "rework" "rewrite"))
(defconst unmask--name "unmask")

;; What of the two clients is used.

(defvar lsp--cur-workspace)
(defvar lsp-inline-completion--items)
(defvar lsp-inline-completion--current)
(defvar lsp-inline-completion-active-map)
(defvar eglot-server-programs)
(declare-function eglot-current-server "ext:eglot")
(declare-function eglot-reconnect "ext:eglot")
(declare-function eglot-stderr-buffer "ext:eglot")
(declare-function eglot--server-info "ext:eglot")
(declare-function eglot--pos-to-lsp-position "ext:eglot")
(declare-function eglot--signal-textDocument/didChange "ext:eglot")
(declare-function eglot--VersionedTextDocumentIdentifier "ext:eglot")
(declare-function jsonrpc-async-request "jsonrpc")
(declare-function jsonrpc-notify "jsonrpc")
(declare-function lsp-workspaces "ext:lsp-mode")
(declare-function lsp--workspace-client "ext:lsp-mode")
(declare-function lsp--client-server-id "ext:lsp-mode")
(declare-function lsp-request-async "ext:lsp-mode")
(declare-function lsp-notify "ext:lsp-mode")
(declare-function lsp-point-to-position "ext:lsp-mode")
(declare-function lsp-workspace-restart "ext:lsp-mode")
(declare-function lsp-configuration-section "ext:lsp-mode")
(declare-function lsp--versioned-text-document-identifier "ext:lsp-mode")
(declare-function lsp-register-client "ext:lsp-mode")
(declare-function lsp-register-custom-settings "ext:lsp-mode")
(declare-function lsp-stdio-connection "ext:lsp-mode")
(declare-function lsp-activate-on "ext:lsp-mode")
(declare-function make-lsp-client "ext:lsp-mode")
(declare-function lsp-inline-completion-cancel "ext:lsp-inline-completion")
(declare-function lsp-inline-completion-display "ext:lsp-inline-completion")

;; The connection: a workspace of lsp-mode or a server of eglot.

(defvar unmask--status nil "What the server last said of its engine: (STATE MESSAGE PERCENT).")
(defvar unmask--paused nil "Whether suggestions come only when asked for.")
(defvar unmask--running nil "Tokens of the work that is under way.")
(defvar unmask--count 0 "How many tokens were made.")

(defun unmask--lsp-workspace ()
  "The workspace of lsp-mode in this buffer that is Unmask's."
  (and (bound-and-true-p lsp-mode)
       (cl-find 'unmask (lsp-workspaces)
                :key (lambda (workspace) (lsp--client-server-id (lsp--workspace-client workspace))))))

(defun unmask--eglot-server ()
  "The server of eglot in this buffer, if that is Unmask."
  (and (featurep 'eglot)
       (let ((server (eglot-current-server)))
         (and server (equal (plist-get (eglot--server-info server) :name) unmask--name) server))))

(defun unmask--present-p ()
  "Whether Unmask is in this buffer."
  (or (unmask--lsp-workspace) (unmask--eglot-server)))

(defun unmask--missing ()
  "Say that there is no server."
  (user-error "Unmask is not in this buffer: M-x lsp, or M-x eglot after (unmask-eglot-setup)"))

(defun unmask--notify (method params)
  "Send the notification METHOD with PARAMS."
  (if-let* ((workspace (unmask--lsp-workspace)))
      (let ((lsp--cur-workspace workspace)) (lsp-notify method params))
    (jsonrpc-notify (or (unmask--eglot-server) (unmask--missing)) (intern (concat ":" method)) params)))

(defun unmask--execute (command &optional argument answered)
  "Have the server run COMMAND with ARGUMENT, and call ANSWERED with the result."
  (let* ((token (format "unmask-%d" (cl-incf unmask--count)))
         (params `(:command ,command
                   :arguments ,(if argument (vector argument) [])
                   :workDoneToken ,token))
         (finish (lambda () (setq unmask--running (delete token unmask--running)) (unmask--redraw)))
         (success (lambda (result) (funcall finish) (when answered (funcall answered result))))
         (failure (lambda (told) (funcall finish) (message "%s" (unmask--get told :message))))
         (workspace (unmask--lsp-workspace))
         (server (unless workspace (or (unmask--eglot-server) (unmask--missing)))))
    (push token unmask--running)
    (unmask--redraw)
    (if workspace
        (let ((lsp--cur-workspace workspace))
          (lsp-request-async "workspace/executeCommand" params success
                             :mode 'detached :error-handler failure))
      (jsonrpc-async-request server :workspace/executeCommand params
                             :success-fn success :error-fn failure :timeout nil))))

(defun unmask--get (object key)
  "The value of KEY in OBJECT, JSON as either client has it."
  (if (hash-table-p object)
      (gethash (substring (symbol-name key) 1) object)
    (plist-get object key)))

(defun unmask--document ()
  "This buffer as it is now: an answer for another version is refused."
  (cl-loop with told = (if (unmask--lsp-workspace)
                           (lsp--versioned-text-document-identifier)
                         (unless (unmask--eglot-server) (unmask--missing))
                         (eglot--signal-textDocument/didChange)
                         (eglot--VersionedTextDocumentIdentifier))
           for key in '(:uri :version)
           append (list key (unmask--get told key))))

(defun unmask--range ()
  "The region as the protocol has it, or the cursor."
  (pcase-let ((`(,start . ,end) (if (use-region-p)
                                    (cons (region-beginning) (region-end))
                                  (cons (point) (point))))
              (position (if (unmask--lsp-workspace) #'lsp-point-to-position #'eglot--pos-to-lsp-position)))
    (list :start (funcall position start) :end (funcall position end))))

;; Commands.

(defun unmask--fill (what)
  "Fill WHAT, \"range\" or \"holes\"."
  (unmask--execute "unmask.fill" `(,@(unmask--document) :what ,what :range ,(unmask--range)))
  (deactivate-mark))

(defun unmask--edit (kind &optional in-file &rest more)
  "Do the task KIND, with MORE to say about it.
It is about the region or the cursor; with IN-FILE and without a region,
about the file."
  (unmask--execute "unmask.edit"
                   `(,@(unmask--document) :kind ,kind ,@more
                     ,@(unless (and in-file (not (use-region-p))) (list :range (unmask--range)))))
  (deactivate-mark))

(defun unmask-fill ()
  "Fill at the cursor, or replace the region."
  (interactive)
  (unmask--fill "range"))

(defun unmask-holes ()
  "Fill every <hole> of the region or the file, or every placeholder, all at once."
  (interactive)
  (unmask--fill "holes"))

(defun unmask-types ()
  "Add the annotations that are missing."
  (interactive)
  (unmask--edit "types"))

(defun unmask-docstring ()
  "Write the doc comment, or refresh it."
  (interactive)
  (unmask--edit "docstring"))

(defun unmask-name ()
  "Find a better name for what the cursor is on."
  (interactive)
  (unmask--edit "names"))

(defun unmask-complete ()
  "Fill an empty body, branch or case, or handle the errors of the region."
  (interactive)
  (unmask--edit "complete"))

(defun unmask-repair ()
  "Mend what does not parse, in the region or the file."
  (interactive)
  (unmask--edit "repair" t))

(defun unmask-rewrite (how)
  "Rewrite the region as HOW says: an instruction, or restyle, rework or rewrite."
  (interactive (list (completing-read "Rewrite how? " unmask--strengths)))
  (unmask--edit "rewrite" nil (if (member how unmask--strengths) :strength :instruction) how))

(defun unmask-to (language)
  "Rewrite the file to LANGUAGE, as a new file beside it; or the region, in place."
  (interactive (list (completing-read "To which language? " unmask--languages nil t)))
  (unmask--edit "translate" t :to language))

(defun unmask-cancel ()
  "Give up what is under way."
  (interactive)
  (dolist (token unmask--running)
    (unmask--notify "window/workDoneProgress/cancel" (list :token token))))

(defun unmask-pause ()
  "Have suggestions come only when asked for, or as you type again."
  (interactive)
  (setq unmask--paused (not unmask--paused))
  (unmask--notify "workspace/didChangeConfiguration"
                  (list :settings (if (unmask--lsp-workspace)
                                      (lsp-configuration-section unmask--name)
                                    `(:unmask (:manual_only ,(or unmask--paused :json-false))))))
  (unmask--redraw)
  (message "Unmask: suggestions come %s" (if unmask--paused "when asked for" "as you type")))

(defun unmask-status ()
  "Say what the server is doing."
  (interactive)
  (unmask--execute "unmask.status" nil
                   (lambda (told)
                     (message "Unmask is %s: %s" (unmask--get told :state) (unmask--get told :message)))))

(defun unmask-restart ()
  "End the server and start it anew."
  (interactive)
  (setq unmask--running nil)
  (if-let* ((workspace (unmask--lsp-workspace)))
      (lsp-workspace-restart workspace)
    (eglot-reconnect (or (unmask--eglot-server) (unmask--missing)) t)))

(defun unmask-log ()
  "Show what the server has written."
  (interactive)
  (if (unmask--lsp-workspace)
      (pop-to-buffer (format "*%s::stderr*" unmask--name))
    (eglot-stderr-buffer (or (unmask--eglot-server) (unmask--missing)))))

(defvar unmask-command-map
  (let ((map (make-sparse-keymap)))
    (pcase-dolist (`(,key . ,command)
                   '(("f" . unmask-fill) ("h" . unmask-holes) ("t" . unmask-types) ("d" . unmask-docstring)
                     ("n" . unmask-name) ("c" . unmask-complete) ("m" . unmask-repair)
                     ("r" . unmask-rewrite) ("l" . unmask-to) ("k" . unmask-cancel) ("p" . unmask-pause)
                     ("s" . unmask-status) ("R" . unmask-restart) ("L" . unmask-log)))
      (define-key map key command))
    map)
  "Every command, for a prefix of your own.")
(fset 'unmask-command-map unmask-command-map)

;; The mode line.

(defun unmask--redraw ()
  "Show a new status."
  (force-mode-line-update t))

(defun unmask--told (state message percent)
  "Take note of a status: STATE, MESSAGE and PERCENT."
  (setq unmask--status (list state message percent))
  (unmask--redraw))

(defun unmask--lighter ()
  "What the mode line shows."
  (pcase-let ((`(,state ,_ ,percent) unmask--status))
    (concat " Unmask"
            (cond ((not (equal state "ready"))
                   (concat ":" (if (numberp percent) (format "%d%%%%" percent) (or state "starting"))))
                  (unmask--running ":…")
                  (unmask--paused ":paused")))))

(define-minor-mode unmask-mode
  "Shows in the mode line what Unmask is doing; turned on where it is in a buffer."
  :lighter (:eval (unmask--lighter)))

(defun unmask--managed ()
  "Turn `unmask-mode' on where Unmask is in the buffer."
  (unmask-mode (if (unmask--present-p) 1 -1)))

;; lsp-mode.

(defun unmask--next (pattern)
  "Take what PATTERN finds at the start of the suggestion, and show the rest."
  (let* ((item (elt lsp-inline-completion--items lsp-inline-completion--current))
         (text (unmask--get item :insertText))
         (part (if (string-match pattern text) (match-string 0 text) text)))
    (lsp-inline-completion-cancel)
    (insert part)
    (unmask--notify "textDocument/didPartiallyAcceptCompletion"
                    (list :item item :acceptedLength (length part)))
    (unless (string= part text)
      (lsp-inline-completion-display t))))

(defun unmask-accept-word ()
  "Take the next word of the suggestion that is shown."
  (interactive)
  (unmask--next "\\`[ \t\n]*\\(?:[[:alnum:]_]+\\|[^[:alnum:]_ \t\n]+\\)"))

(defun unmask-accept-line ()
  "Take the suggestion that is shown up to the end of its line."
  (interactive)
  (unmask--next "\\`\n*[^\n]*"))

(with-eval-after-load 'lsp-inline-completion
  (pcase-dolist (`(,key . ,command) '(("TAB" . lsp-inline-completion-accept) ("M-<right>" . unmask-accept-word)
                                      ("C-M-<right>" . unmask-accept-line)))
    (define-key lsp-inline-completion-active-map (kbd key) command)
    (put command 'lsp-inline-completion-keep t)))

(with-eval-after-load 'lsp-mode
  (lsp-register-custom-settings '(("unmask.manual_only" unmask--paused t)))
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () unmask-command))
    :activation-fn (lsp-activate-on "python" "javascript" "javascriptreact" "typescript" "typescriptreact"
                                    "go" "rust" "java" "c" "cpp" "csharp" "ruby" "php" "shellscript")
    ;; lsp-mode shows ghost text and does not say so: the completion list would have it as well.
    :initialization-options (lambda () (append unmask-settings '(:completion "never")))
    :notification-handlers
    (let ((handlers (make-hash-table :test 'equal)))
      (puthash "unmask/status"
               (lambda (_workspace told)
                 (unmask--told (unmask--get told :state) (unmask--get told :message) (unmask--get told :percent)))
               handlers)
      handlers)
    :add-on? t
    :server-id 'unmask))
  (add-hook 'lsp-after-open-hook #'unmask--managed))

;; eglot.

(defun unmask-eglot-setup ()
  "Have `M-x eglot' start Unmask in `unmask-modes', in place of other servers."
  (require 'eglot)
  (add-to-list 'eglot-server-programs
               (cons unmask-modes
                     (lambda (&rest _)
                       `(,@unmask-command ,@(when unmask-settings
                                              (list :initializationOptions unmask-settings)))))))

(with-eval-after-load 'eglot
  (cl-defmethod eglot-handle-notification
    (_server (_method (eql 'unmask/status)) &key state message percent &allow-other-keys)
    "Take note of the status that the server tells."
    (unmask--told state message percent))
  (add-hook 'eglot-managed-mode-hook #'unmask--managed))

(provide 'unmask)
;;; unmask.el ends here
